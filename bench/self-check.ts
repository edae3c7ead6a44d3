/** Shows that the bench sees what it should see: a handler slowed by a known time costs that time in the figures. */
import { BUSY_WAIT_VARIABLE } from './busy-wait.js'
import type { Bench, Report } from './harness.js'
import { alternate, seriesNamed } from './harness.js'
import { encodeCalls, types } from './stock-thrift.js'
import { PIPELINED, served } from './load-generator.js'
import { startServer } from './processes.js'
import { summarise } from './statistics.js'
import { frameFile } from './frames.js'
import { rowKey } from './dataset.js'

const WAIT_US = 20
const SLOWED = `echo, slowed by ${WAIT_US} us`
/** The busy-wait itself is exact; the rest is noise of the machine and the clock's 10 ms steps. */
const TOLERANCE = 0.25

/** A reply without a result, framed: the shortest answer that the generator takes. */
const EMPTY_REPLY = Buffer.from('000000108001000200000003' + '676574' + '00000001' + '00', 'hex')

export const selfCheck: Bench = {
  name: 'self-check',
  question: `does a handler slowed by ${WAIT_US} us a request show as ${WAIT_US} us of CPU time a request?`,
  async run(context) {
    const frames = frameFile(context, 'self-check', () =>
      encodeCalls('get', [new types.GetRequest({ dataset: 'bench', key: rowKey(0) })]),
    )
    const set = { answer: EMPTY_REPLY.toString('base64') }
    const fast = await startServer('echo-server.js', { core: 0, set })
    const slow = await startServer('echo-server.js', {
      core: 0,
      set,
      env: { [BUSY_WAIT_VARIABLE]: String(WAIT_US) },
    })
    // Pipelined, where the sockets' share of the cost is small and cannot hide the wait's.
    const options = { context, core: 1, ignoresSeqid: true, ...PIPELINED } as const
    const series = await alternate(context, [
      served('echo', fast, frames, options),
      served(SLOWED, slow, frames, options),
    ])
    await Promise.all([fast.stop(), slow.stop()])
    return check({ series, verdicts: [], notes: [] })
  },
}

/** @throws when the wait does not show, or shows as something else */
function check(report: Report): Report {
  const costs = (name: string) =>
    seriesNamed(report.series, name).samples.map((sample) => (sample.cpuSeconds / sample.count) * 1e6)
  const fast = costs('echo')
  const { median, min, max } = summarise(
    costs(SLOWED).map((cost, round) => cost - (fast[round] ?? Number.NaN)),
  )
  const seen = `${median.toFixed(1)} us (${min.toFixed(1)}..${max.toFixed(1)})`
  if (Math.abs(median - WAIT_US) > TOLERANCE * WAIT_US) {
    throw new Error(`the wait of ${WAIT_US} us shows as ${seen}: do not trust the other figures either`)
  }
  return { ...report, notes: [`A wait of ${WAIT_US} us shows as ${seen}.`] }
}
