import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  type MachineFacts,
  NEEDED_CPU_FLAGS,
  machineFaults,
  readMachineFacts,
} from '../../../src/base/machine.js'

const GOOD: MachineFacts = {
  platform: 'linux',
  arch: 'x64',
  glibcVersion: '2.36',
  cpuFlags: new Set(['fpu', ...NEEDED_CPU_FLAGS]),
}

function fault(facts: Partial<MachineFacts>): string {
  const faults = machineFaults({ ...GOOD, ...facts })
  assert.equal(faults.length, 1)
  return faults[0] ?? ''
}

suite('machine', () => {
  test('x64 Linux with glibc and a processor of x86-64-v3 is taken, this one included', () => {
    assert.deepEqual(machineFaults(GOOD), [])
    assert.deepEqual(machineFaults({ ...GOOD, glibcVersion: '2.34' }), [])
    assert.deepEqual(machineFaults({ ...GOOD, glibcVersion: '3.0' }), [])
    assert.deepEqual(machineFaults(readMachineFacts()), [])
  })

  test('other systems, arm64, musl, an old glibc and old processors are refused by name', () => {
    assert.match(fault({ platform: 'darwin', arch: 'arm64' }), /system is darwin/)
    assert.match(fault({ arch: 'arm64' }), /processor is arm64.*linux\/amd64/)
    assert.match(fault({ glibcVersion: null }), /not glibc \(Alpine has musl\)/)
    assert.match(fault({ glibcVersion: '2.31' }), /glibc is 2\.31: 2\.34 or newer/)
    const old = new Set(NEEDED_CPU_FLAGS.filter((flag) => flag !== 'avx2' && flag !== 'bmi2'))
    assert.match(fault({ cpuFlags: old }), /has no avx2, bmi2: x86-64-v3/)
  })

  test('several faults are told together, and a processor that does not say is not refused', () => {
    assert.equal(machineFaults({ ...GOOD, glibcVersion: '2.28', cpuFlags: new Set() }).length, 2)
    assert.deepEqual(machineFaults({ ...GOOD, cpuFlags: null }), [])
  })
})
