/** Loaded into a gateway with --import: prints each hop of each request, in every thread. */
import { subscribe } from 'node:diagnostics_channel'
import { writeSync } from 'node:fs'
import { HOP_CHANNEL } from '../../src/base/trace.js'

const STANDARD_ERROR = 2

subscribe(HOP_CHANNEL, (name) => writeSync(STANDARD_ERROR, `hop ${String(name)}\n`))
