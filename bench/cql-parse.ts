/** CQL statements that come as text: how many of them a core reads, and how many it also looks up in the schema. */
import { goals } from './goals.js'
import type { Bench, Sample, Series, Variant, Verdict } from './harness.js'
import { alternate, perCpuSecondOf, seriesNamed } from './harness.js'
import type { ParseRequest, ParseWork } from './cql-parse-worker.js'
import { nextMessage, startChild, stopChild } from './processes.js'
import { summarise } from './statistics.js'

const WORKER = 'cql-parse-worker.js'

export const cqlParse: Bench = {
  name: 'cql-parse',
  question: 'how many CQL statements a second are parsed, and compiled, on one core?',
  async run(context) {
    const worker = startChild(WORKER, 0)
    worker.send({})
    await nextMessage(worker, WORKER)
    const variant = (name: string, work: ParseWork): Variant => ({
      name,
      unit: 'statements',
      async measure() {
        worker.send({ work, measureMs: context.measureMs } satisfies ParseRequest)
        // What the worker answers to a request.
        return (await nextMessage(worker, WORKER)) as Sample
      },
    })
    const series = await alternate(context, [
      variant('parsed', 'parse'),
      variant('parsed and compiled', 'compile'),
    ])
    await stopChild(worker)
    return {
      series,
      verdicts: [rateOf(goals.cqlParse, seriesNamed(series, 'parsed'))],
      notes: [
        'Statements with literals, each text once: point reads, slices, inserts, updates, deletes and a batch.',
      ],
    }
  },
}

function rateOf(goal: Verdict['goal'], { samples }: Series): Verdict {
  return { goal, value: summarise(samples.map(perCpuSecondOf)) }
}
