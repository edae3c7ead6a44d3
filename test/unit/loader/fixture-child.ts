/** A load process for tests: shards are text files, and some keys make it end badly. */
import { writeFileSync } from 'node:fs'
import { systemClock } from '../../../src/base/clock.js'
import { serveBuildJob } from '../../../src/loader/load-child.js'

const misbehaviour: Readonly<Record<string, () => void>> = {
  crash: () => process.abort(),
  exit: () => {
    process.stderr.write('gone\n')
    process.exit(3)
  },
  hoard: () => {
    const hoard: string[][] = []
    for (;;) hoard.push(Array.from({ length: 10_000 }, (_, index) => `${hoard.length}-${index}`))
  },
  wait: () => {
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  },
}

serveBuildJob({
  clock: systemClock,
  createShardWriter(directory) {
    const rows: string[] = []
    return Promise.resolve({
      add(rowKey, cells) {
        misbehaviour[rowKey.toString()]?.()
        const columns = cells.map(({ localKey, value }) => `${localKey.toString()}=${value.toString()}`)
        rows.push(`${rowKey.toString()} ${columns.join(' ')}`)
      },
      seal() {
        writeFileSync(directory, rows.map((row) => `${row}\n`).join(''))
        return Promise.resolve({ rows: rows.length, bytes: 0, checksum: 'x' })
      },
    })
  },
})
