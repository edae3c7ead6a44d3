import { join } from 'node:path'
import { test } from 'node:test'
import { assertSameRows, loadFilesIn, readLoadFile } from '../../support/load-files.js'
import { root } from '../../support/tree.js'

// Made by `python load_files.py test/fixtures/loader 7 12` with pyarrow 26, zstandard 0.25 and the csv module.
for (const file of loadFilesIn(join(root, 'test/fixtures/loader'))) {
  test(`${file.name} has the rows that its writer gave it, however it arrives`, async () => {
    for (const pieceBytes of [1, 1_000, 1 << 20]) {
      if (pieceBytes === 1 && file.format === 'parquet') continue
      assertSameRows(await readLoadFile(file, { pieceBytes }), file.rows)
    }
  })
}
