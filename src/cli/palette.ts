/** Colours of a terminal, and their absence. */
import type { CliIo } from './io.js'

export type Tone = 'good' | 'bad' | 'strong' | 'faint'

/** Puts a text into a tone; the text is printable already. */
export type Palette = (text: string, tone: Tone) => string

const CODES: Readonly<Record<Tone, string>> = { good: '32', bad: '31', strong: '1', faint: '2' }

export const plain: Palette = (text) => text

const coloured: Palette = (text, tone) => `\x1b[${CODES[tone]}m${text}\x1b[0m`

/** Colours only where a terminal shows them and nobody asked for none (no-color.org). */
export function paletteOf({ stdout, environment }: CliIo): Palette {
  const isUnwanted = (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb'
  return stdout.isTerminal && !isUnwanted ? coloured : plain
}
