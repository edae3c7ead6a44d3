/**
 * Parquet -> rows, row group by row group and page by page: the memory that is held is a page of each column that is
 * wanted, not the row group. The footer, the levels and the encodings are hyparquet's.
 *
 * Rows are numbered from 1 through the file where the other formats count lines.
 */
import { assembleNested } from 'hyparquet/src/assemble.js'
import type { DecodedArray, SchemaTree } from 'hyparquet/src/types.js'
import { KVError, toKVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { Cell } from '../../model/row.js'
import type { ObjectStore } from '../../objects/object-store.js'
import { BadLineError } from '../json-text.js'
import type { SourcePart, SourceRow } from '../load-source.js'
import { cellOf, checkedCells, checkedKey, rowShape, shortName, type PlacedColumn } from './columns.js'
import { ParquetColumn, readAheadFor, type ParquetPlace } from './parquet-column.js'
import { readFooter, type ParquetFile, type ParquetRowGroup } from './parquet-footer.js'
import { ValueMissing } from './parquet-text.js'
import { parquetType, type ToBytes } from './parquet-values.js'
import { PartReader, type ReadOptions } from './part-reader.js'

const MAX_BATCH_ROWS = 1_000

/** A column of the file that the load wants, with what it is decoded from and by. */
interface WantedColumn {
  readonly index: number
  readonly tree: SchemaTree
  readonly plainTree: SchemaTree
  readonly toBytes: ToBytes
}

interface Shape {
  readonly wanted: readonly WantedColumn[]
  /** Positions within `wanted`. */
  readonly keyIndex: number
  readonly columns: readonly PlacedColumn[]
}

export class ParquetReader extends PartReader {
  readonly #part: SourcePart
  readonly #objects: ObjectStore
  #row = 0
  #madeBytes = 0

  constructor(part: SourcePart, objects: ObjectStore, options: ReadOptions) {
    super(part.url, options)
    this.#part = part
    this.#objects = objects
  }

  protected override async *batches(): AsyncGenerator<readonly SourceRow[]> {
    const file = await readFooter(this.#objects, this.#part)
    const shape = this.#shapeOf(file)
    for (const group of file.rowGroups) {
      if (group.rows > 0) yield* this.#groupBatches(file, group, shape)
    }
    this.readBytes = this.#part.sizeBytes
  }

  async *#groupBatches(
    file: ParquetFile,
    group: ParquetRowGroup,
    shape: Shape,
  ): AsyncGenerator<readonly SourceRow[]> {
    const columns = this.#openColumns(file, group, shape)
    for (let done = 0; done < group.rows;) {
      const all = columns.flat()
      await Promise.all(all.map((column) => column.fill()))
      const count = Math.min(MAX_BATCH_ROWS, group.rows - done, ...all.map(({ ready }) => ready))
      if (count <= 0) {
        throw this.#fault(`a column has fewer than the ${group.rows} rows of its row group`)
      }
      const values = columns.map((parts, index) =>
        this.#assemble(parts, shape.wanted[index]?.plainTree, count),
      )
      yield this.#rowsOf(values, count, shape)
      done += count
      // The columns that are not wanted count as read: what is told is how far the load is.
      this.readBytes = Math.floor((this.#part.sizeBytes * this.#row) / Math.max(file.rows, 1))
    }
  }

  /** The physical columns of each wanted one. */
  #openColumns(file: ParquetFile, group: ParquetRowGroup, { wanted }: Shape): ParquetColumn[][] {
    const leaves = wanted.map(({ plainTree }) => leavesOf(plainTree))
    const place: ParquetPlace = {
      objects: this.#objects,
      part: this.#part,
      readAheadBytes: readAheadFor(leaves.flat().length),
    }
    return leaves.map((trees) =>
      trees.map((leaf) => {
        const path = pathOf(leaf)
        const chunk = group.chunks.get(path)
        if (chunk === undefined) throw this.#fault(`a row group lacks the column "${shortName(path)}"`)
        const { type, path_in_schema: names } = chunk.metadata
        if (type !== leaf.element.type || names.length !== leaf.path.length) {
          throw this.#fault(`its column "${shortName(path)}" is not what the schema says`)
        }
        return new ParquetColumn(place, file.plainRoot, chunk)
      }),
    )
  }

  #assemble(parts: readonly ParquetColumn[], tree: SchemaTree | undefined, count: number): DecodedArray {
    const taken = parts.map((part) => part.take(count))
    const [only = []] = taken
    if (tree === undefined || tree.children.length === 0) return only
    const byPath = new Map(leavesOf(tree).map((leaf, index) => [pathOf(leaf), taken[index] ?? []]))
    try {
      assembleNested(byPath, tree, {} as Parameters<typeof assembleNested>[2])
    } catch (error) {
      throw this.#fault(
        `its column "${shortName(tree.element.name)}" does not fit together: ${reasonOf(error)}`,
      )
    }
    return byPath.get(tree.element.name) ?? []
  }

  #rowsOf(values: readonly DecodedArray[], count: number, shape: Shape): readonly SourceRow[] {
    const rows: SourceRow[] = []
    for (let index = 0; index < count; index++) {
      const line = ++this.#row
      const row = this.rowOrNull(line, () => this.#toRow(values, index, shape))
      if (row === null) continue
      this.noteColumns(row.cells)
      rows.push(row)
    }
    this.#stopWhenEndless(rows)
    return rows
  }

  #toRow(values: readonly DecodedArray[], index: number, { wanted, keyIndex, columns }: Shape): SourceRow {
    const bytesOf = (column: number): Buffer | null => {
      const toBytes = wanted[column]?.toBytes
      const value: unknown = values[column]?.[index]
      return toBytes?.(value) ?? null
    }
    try {
      const cells: Cell[] = []
      for (const column of columns) {
        const value = bytesOf(column.index)
        if (value !== null) cells.push(cellOf(column, value, this.options.maxValueBytes))
      }
      const rowKey = bytesOf(keyIndex)
      if (rowKey === null) throw new BadLineError('the key is null')
      return { line: this.#row, rowKey: checkedKey(rowKey), cells: checkedCells(cells) }
    } catch (error) {
      if (error instanceof BadLineError) throw error
      if (error instanceof ValueMissing) throw this.#fault(`${error.message} in row ${this.#row}`)
      // A schema whose types are not those of the values.
      throw this.#fault(`row ${this.#row} does not fit the schema: ${reasonOf(error)}`)
    }
  }

  /** A file of a kilobyte can stand for rows without end, all the same. By the rule that holds for packed files. */
  #stopWhenEndless(rows: readonly SourceRow[]): void {
    for (const { rowKey, cells } of rows) {
      this.#madeBytes += rowKey.length
      for (const { value } of cells) this.#madeBytes += value.length
    }
    const made = this.#madeBytes
    const isBomb =
      made > limits.unpackedBytesBeforeRatio && made > this.#part.sizeBytes * limits.maxUnpackingRatio
    if (!isBomb && made <= limits.maxUnpackedBytes) return
    const measure = isBomb ? `${limits.maxUnpackingRatio} times its size` : `${limits.maxUnpackedBytes} bytes`
    throw new KVError(
      'INVALID_ARGUMENT',
      `${this.url} unpacks to more than ${measure}; if that is right, load it as text and in several files`,
    )
  }

  #shapeOf(file: ParquetFile): Shape {
    const names = file.columns.map(({ element }) => element.name)
    const { keyIndex, columns } = rowShape(this.url, names, this.options)
    const indexes = [...new Set([keyIndex, ...columns.map(({ index }) => index)])]
    const wanted = indexes.map((index) => this.#wantedColumn(file, index, index === keyIndex))
    return {
      wanted,
      keyIndex: indexes.indexOf(keyIndex),
      columns: columns.map((column) => ({ ...column, index: indexes.indexOf(column.index) })),
    }
  }

  #wantedColumn(file: ParquetFile, index: number, isKey: boolean): WantedColumn {
    const tree = file.columns[index]
    const plainTree = file.plainRoot.children[index]
    if (tree === undefined || plainTree === undefined) throw this.#fault('its schema does not fit together')
    const type = parquetType(tree)
    const name = shortName(tree.element.name)
    if (type === null) {
      throw new KVError(
        'INVALID_ARGUMENT',
        `${this.url}: the type of its column "${name}" is not supported; name the columns to load without it`,
      )
    }
    if (isKey && !type.canBeKey) {
      throw new KVError(
        'INVALID_ARGUMENT',
        `${this.url}: its column "${name}" is no text, number or bytes; it cannot be the key`,
      )
    }
    return { index, tree, plainTree, toBytes: type.toBytes }
  }

  #fault(what: string): KVError {
    return new KVError('INVALID_ARGUMENT', `${this.url} is damaged: ${what}; write it anew`)
  }
}

/** The physical columns of a column. */
function leavesOf(tree: SchemaTree): readonly SchemaTree[] {
  return tree.children.length === 0 ? [tree] : tree.children.flatMap(leavesOf)
}

function pathOf({ path }: SchemaTree): string {
  return path.join('.')
}

function reasonOf(error: unknown): string {
  return toKVError(error, 'column').message.slice(0, 200)
}
