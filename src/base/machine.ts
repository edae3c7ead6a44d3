/**
 * Which machines Godwit runs on: what the binary of the RocksDB binding was built for. On any other it would end with "no
 * native build was found", a loader's complaint, or an illegal instruction in the middle of a request; so a start looks
 * first.
 */
import { readFileSync } from 'node:fs'

export interface MachineFacts {
  readonly platform: string
  readonly arch: string
  /** Null: the C library is not glibc. */
  readonly glibcVersion: string | null
  /** As Linux names them in /proc/cpuinfo; null: it does not say. */
  readonly cpuFlags: ReadonlySet<string> | null
}

/** The binary's newest symbol is GLIBC_2.34. */
const MIN_GLIBC = [2, 34] as const

/**
 * Instruction sets that the binary uses without asking, by disassembly: it was compiled for AMD's first Zen. Intel has all
 * of them since Haswell (2013), AMD since Excavator (2015); together nearly the level x86-64-v3. `abm` is lzcnt.
 */
export const NEEDED_CPU_FLAGS = [
  'sse4_2',
  'popcnt',
  'pclmulqdq',
  'movbe',
  'abm',
  'avx',
  'avx2',
  'bmi1',
  'bmi2',
  'fma',
] as const

/** Why Godwit cannot run here, one sentence each; empty: it can. */
export function machineFaults({ platform, arch, glibcVersion, cpuFlags }: MachineFacts): string[] {
  // What follows says nothing about another system.
  if (platform !== 'linux') return [`the system is ${platform}: Godwit runs on Linux, on x64`]
  if (arch !== 'x64') {
    return [`the processor is ${arch}: Godwit runs on x64 alone; use a linux/amd64 machine or node pool`]
  }
  const faults: string[] = []
  if (glibcVersion === null) {
    faults.push(
      'the C library is not glibc (Alpine has musl): use a system such as Debian 12 or Ubuntu 22.04',
    )
  } else if (isOlder(glibcVersion)) {
    faults.push(
      `glibc is ${glibcVersion}: ${MIN_GLIBC.join('.')} or newer is needed, as in Debian 12 or Ubuntu 22.04`,
    )
  }
  const missing = cpuFlags === null ? [] : NEEDED_CPU_FLAGS.filter((flag) => !cpuFlags.has(flag))
  if (missing.length > 0) {
    faults.push(
      `the processor has no ${missing.join(', ')}: x86-64-v3 is needed, as of Intel Haswell or AMD Excavator; ` +
        'a virtual machine may hide what its host has',
    )
  }
  return faults
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < MIN_GLIBC[0] || (major === MIN_GLIBC[0] && minor < MIN_GLIBC[1])
}

/** Takes about 30 ms. */
export function readMachineFacts(): MachineFacts {
  return {
    platform: process.platform,
    arch: process.arch,
    glibcVersion: glibcVersion(process.report.getReport()),
    cpuFlags: cpuFlags(),
  }
}

/** Node's report names the version only where glibc is what it runs on. */
function glibcVersion(report: unknown): string | null {
  const header = field(report, 'header')
  const version = field(header, 'glibcVersionRuntime')
  return typeof version === 'string' ? version : null
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function cpuFlags(): ReadonlySet<string> | null {
  try {
    const line = /^flags\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]
    return line === undefined ? null : new Set(line.split(/\s+/))
  } catch {
    return null
  }
}
