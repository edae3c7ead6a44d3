/** `godwit password`: makes a password for CQL clients or takes one. Nothing is stored: the configuration takes the hash. */
import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { hashPassword } from '../base/passwords.js'
import type { CommandHost } from './context.js'

const PASSWORD_BYTES = 18

export function addPasswordCommand(program: Command, host: CommandHost): void {
  const password = program
    .command('password <name>')
    .description('make a password for a client of CQL, and what the configuration needs to know it')
    .addHelpText(
      'after',
      `
A password that clients have already is taken from GODWIT_PASSWORD; otherwise one is made, printed once and stored nowhere.
Its salted hash goes into the gateway's configuration file.

Examples:
  godwit password ann
  GODWIT_PASSWORD=... godwit password ann`,
    )
  host.action(password, async (run, [name = '']) => {
    const given = run.io.environment['GODWIT_PASSWORD'] ?? ''
    const text = given === '' ? randomBytes(PASSWORD_BYTES).toString('base64url') : given
    const hash = await hashPassword(text)
    const made = { name, ...(given === '' && { password: text }), hash }
    const shown = given === '' ? [`password: ${text}`, ''] : []
    const lines = [
      ...shown,
      'rocksandra:',
      '  users:',
      `    ${JSON.stringify(name)}: { password: '${hash}' }`,
    ]
    return run.result(made, () => run.line(lines.join('\n')))
  })
}
