/** Options that take a time such as 30s, 10m, 2h, 7d. */
import { Option } from 'commander'
import { CliError, EXIT } from './io.js'

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** In milliseconds, at least one. */
export function durationOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    const [, number = '', unit = ''] = /^([1-9]\d{0,6})([smhd])$/.exec(text) ?? []
    const ms = Number(number) * (UNITS[unit] ?? 0)
    if (ms > 0) return ms
    const name = flags.split(' ', 1)[0] ?? ''
    throw new CliError(EXIT.USAGE, `${name} ${text} is no time`, 'a whole number and s, m, h or d: 10m')
  })
}
