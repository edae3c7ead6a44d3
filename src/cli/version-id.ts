/** A version as it is typed: its number. */
import { CliError, EXIT } from './io.js'

/** @throws {CliError} wrong usage when it is none */
export function versionId(text: string): number {
  if (/^[1-9]\d{0,15}$/.test(text)) return Number(text)
  throw new CliError(EXIT.USAGE, `"${text}" is no version`, 'list them with "godwit versions list DATASET"')
}
