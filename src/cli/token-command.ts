/** `godwit token`: makes a token for the admin API. Nothing is stored: the configuration takes the digest. */
import { createHash, randomBytes } from 'node:crypto'
import { Option, type Command } from 'commander'
import type { CommandHost } from './context.js'

interface TokenOptions {
  readonly role: 'viewer' | 'operator' | 'admin'
}

const TOKEN_BYTES = 32

export function addTokenCommand(program: Command, host: CommandHost): void {
  const token = program
    .command('token <name>')
    .description('make a token for the admin API, and what the configuration needs to know it')
    .addOption(
      new Option(
        '--role <role>',
        'viewer: looks at metadata; operator: also rows, loads, versions; admin: everything',
      )
        .choices(['viewer', 'operator', 'admin'])
        .default('viewer'),
    )
    .addHelpText(
      'after',
      `
The token is printed once and stored nowhere. Its digest goes into the gateway's configuration file; the gateway asks
everybody for a token from its next start on. This command sends the one in GODWIT_TOKEN.

Example:
  godwit token ann --role operator`,
    )
  host.action(token, (run, [name = '']) => {
    const { role } = token.opts<TokenOptions>()
    const text = `godwit_${randomBytes(TOKEN_BYTES).toString('base64url')}`
    const sha256 = createHash('sha256').update(text).digest('hex')
    const made = { name, role, token: text, sha256 }
    const lines = [
      `export GODWIT_TOKEN=${text}`,
      '',
      'listeners:',
      '  admin:',
      '    tokens:',
      `      ${name}: { role: ${role}, sha256: ${sha256} }`,
    ]
    return Promise.resolve(run.result(made, () => run.line(lines.join('\n'))))
  })
}
