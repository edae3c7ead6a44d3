/** Every part of a selector, on every format, against a model; whole, in pages, and as the writer thread reads. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Cell, CellPosition, CellSelector, Row, RowOutcome } from '../../../src/model/row.js'
import { type Deed, deeds, entriesOf, expected, selectors } from './read-model.js'
import { answered, bytes, type LoadedRow, plain, ReadWorld } from './read-world.js'

/** Rows beside the one that is looked at, whose cells must not show. */
const NEIGHBOURS: readonly Deed[] = ['', 'a', '\xff'].map((key) => ({
  kind: 'PUT',
  localKey: bytes(key),
  at: 100n,
  life: null,
  value: bytes('neighbour'),
}))

for (const format of ['mutable', 'history'] as const) {
  for (const keyOrder of ['HASHED', 'ORDERED'] as const) {
    test(`${format} ${keyOrder}: any selection of any row is what the model says`, async (t) => {
      const maxCellVersions = format === 'mutable' ? 1 : keyOrder === 'HASHED' ? 3 : 2
      const world = await ReadWorld.writable({ format, keyOrder, maxCellVersions })
      t.after(() => world.dispose())
      world.setRangeFlag(1)
      let row = 0
      await fc.assert(
        fc.asyncProperty(
          deeds(format),
          fc.array(selectors(), { minLength: 8, maxLength: 8 }),
          fc.integer({ min: 1, max: 150 }),
          async (list, wanted, pageBytes) => {
            const name = `row\0${String(row++).padStart(6, '0')}`
            const rowKey = bytes(name)
            world.write(entriesOf(list, { format, keyOrder }, world.positionOf(rowKey)))
            for (const other of [`${name}\0`, `${name.slice(0, -1)}x`]) {
              world.write(entriesOf(NEIGHBOURS, { format, keyOrder }, world.positionOf(bytes(other))))
            }
            for (const selector of wanted) {
              const cells = expected(list, selector, { format, maxCellVersions })
              const [outcome] = answered(await world.read([rowKey], { selector }))
              assert.deepEqual(plain(answered(outcome)?.cells ?? []), plain(cells))
              assert.deepEqual(plain(await readInPages(world, rowKey, { selector, pageBytes })), plain(cells))
            }
          },
        ),
        { numRuns: 150 },
      )
    })
  }
}

test('sealed: any selection of any row is what the model says', async () => {
  await fc.assert(
    fc.asyncProperty(
      deeds('mutable'),
      fc.array(selectors(), { minLength: 20, maxLength: 20 }),
      fc.integer({ min: 1, max: 150 }),
      fc.boolean(),
      async (list, wanted, pageBytes, isLarge) => {
        const all = expected(list, null, { format: 'mutable', maxCellVersions: 1 })
        if (all.length === 0) return
        // Large values lie in chunks; what is asked for then is in part in the head and in part in them.
        const large = (cell: Cell): Cell => ({ ...cell, value: Buffer.alloc(9_000, 7) })
        const row: LoadedRow = [
          bytes('row'),
          all.map((cell, i) => (isLarge && i % 2 === 0 ? large(cell) : cell)),
        ]
        const world = await ReadWorld.sealed([row])
        try {
          for (const selector of wanted) {
            const living = loadedDeeds(row)
            const cells = expected(living, selector, { format: 'mutable', maxCellVersions: 1 })
            const [outcome] = answered(await world.read([row[0]], { selector }))
            assert.deepEqual(plain(answered(outcome)?.cells ?? []), plain(cells))
            assert.deepEqual(
              plain(await readInPages(world, row[0], { selector, pageBytes: isLarge ? 9_500 : pageBytes })),
              plain(cells),
            )
          }
        } finally {
          await world.dispose()
        }
      },
    ),
    { numRuns: 30 },
  )
})

function loadedDeeds([, cells]: LoadedRow): readonly Deed[] {
  return cells.map(({ localKey, value, timestamp, ttlSeconds }) => ({
    kind: 'PUT',
    localKey,
    at: timestamp ?? 0n,
    life: ttlSeconds,
    value,
  }))
}

/** Page after page; each ends behind the cell that fills it, if there is another. */
async function readInPages(
  world: ReadWorld,
  rowKey: Buffer,
  { selector, pageBytes }: { readonly selector: CellSelector | null; readonly pageBytes: number },
): Promise<readonly Cell[]> {
  const cells: Cell[] = []
  let position: CellPosition | null = null
  for (;;) {
    const outcomes: readonly RowOutcome[] = answered(
      await world.read([rowKey], { selector, pageBytes, position }),
    )
    const row: Row | null = answered(outcomes[0])
    if (row === null) return cells
    const sizes = row.cells.map(({ localKey, value }) => localKey.byteLength + value.byteLength + 32)
    const size = sizes.reduce((sum, one) => sum + one, 0)
    assert.ok(size - (sizes.at(-1) ?? 0) < pageBytes, 'the cell before the last filled the page')
    assert.ok(row.next === null || size >= pageBytes, 'a page that is not full ends early')
    cells.push(...row.cells)
    if (row.next === null) return cells
    position = row.next
  }
}
