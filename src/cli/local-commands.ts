/** `godwit serve` and `godwit check-config`: the commands that are this process, not a call to a gateway. */
import { Option, type Command } from 'commander'
import type { CommandHost } from './context.js'
import { EXIT } from './io.js'

/** A setting given on the command line. */
export interface SettingFlag {
  readonly flag: string
  readonly key: string
  readonly value: string | boolean
}

export interface LocalRequest {
  /** Path of the configuration file; null: none. */
  readonly configFile: string | null
  readonly flags: readonly SettingFlag[]
}

export interface ServeRequest extends LocalRequest {
  readonly withSamples: boolean
  /** Gets `{pid, listeners}` as JSON once requests may come; null: none. */
  readonly readyFile: string | null
}

/** What the composition root does for these commands. Failures are rejections. */
export interface LocalCommands {
  /** Serves until a signal ends it. */
  serve(request: ServeRequest): Promise<void>
  /** Answers the effective configuration as YAML and what is odd about it. */
  checkConfig(request: LocalRequest): Promise<{ readonly text: string; readonly warnings: readonly string[] }>
}

interface LocalOptions {
  readonly config?: string
  readonly samples?: boolean
  readonly readyFile?: string
  readonly [setting: string]: string | boolean | undefined
}

/** Option -> setting. */
const SETTING_OPTIONS = [
  {
    option: 'data',
    flag: '--data',
    argument: ' <directory>',
    key: 'data.directory',
    help: 'directory that holds all data',
  },
  {
    option: 'role',
    flag: '--role',
    argument: ' <role>',
    key: 'role',
    help: 'gateway, or leaf: serve copies of shards to gateways',
  },
  {
    option: 'portOffset',
    flag: '--port-offset',
    argument: ' <count>',
    key: 'portOffset',
    help: 'added to every port',
  },
  {
    option: 'logLevel',
    flag: '--log-level',
    argument: ' <level>',
    key: 'log.level',
    help: 'debug, info, warn, error or silent',
  },
  {
    option: 'insecure',
    flag: '--insecure',
    argument: '',
    key: 'insecure',
    help: 'allow listeners beyond this machine without TLS',
  },
] as const

export function addLocalCommands(program: Command, host: CommandHost, local: LocalCommands): void {
  const serve = localCommand(program, 'serve', 'run a gateway until it gets SIGTERM or SIGINT')
    .option('--samples', 'load the sample datasets when they are not there yet')
    .option('--ready-file <file>', 'write process id and ports there, as JSON, once requests may come')
    .addHelpText(
      'after',
      `
Settings come from the file, then GODWIT_... variables, then these options; later ones win.

Examples:
  godwit serve --data /var/lib/godwit
  godwit serve --config godwit.yaml --port-offset 100`,
    )
  host.action(serve, async () => {
    const options = serve.opts<LocalOptions>()
    await local.serve({
      ...requestOf(options),
      withSamples: options.samples ?? false,
      readyFile: options.readyFile ?? null,
    })
    return EXIT.OK
  })

  const check = localCommand(
    program,
    'check-config',
    'print the effective configuration, or all that is wrong with it',
  )
  check.addHelpText('after', '\nExample:\n  godwit check-config --config godwit.yaml')
  host.action(check, async (run) => {
    const { text, warnings } = await local.checkConfig(requestOf(check.opts<LocalOptions>()))
    for (const warning of warnings) run.io.stderr.write(`godwit: ${warning}\n`)
    run.io.stdout.write(text)
    return EXIT.OK
  })
}

function localCommand(program: Command, name: string, description: string): Command {
  const command = program
    .command(name)
    .description(description)
    .option('--config <file>', 'YAML file with settings')
  for (const { flag, argument, help } of SETTING_OPTIONS) command.addOption(new Option(flag + argument, help))
  return command
}

function requestOf(options: LocalOptions): LocalRequest {
  const flags = SETTING_OPTIONS.flatMap(({ option, flag, key }) => {
    const value = options[option]
    return value === undefined ? [] : [{ flag, key, value }]
  })
  return { configFile: options.config ?? null, flags }
}
