/** What a load reads, whatever the place and the format: objects in a fixed order, each a sequence of rows. */
import type { BadLine, LoadFormat, ThriftExplode } from '../model/load.js'
import type { Cell } from '../model/row.js'

export interface SourceRow {
  /** From 1: the line that the row begins on; in formats without lines the row's number. */
  readonly line: number
  readonly rowKey: Buffer
  /** Distinct local keys, in byte order. */
  readonly cells: readonly Cell[]
}

export interface SourceRequest {
  /** An absolute path or a URL (`file:`, `s3:`) of one object, of a directory, or of a prefix that ends in `/`. */
  readonly from: string
  readonly format: LoadFormat
  readonly keyField: string
  /** Null: every field but the key. */
  readonly columns: readonly string[] | null
  /** CSV and TSV: the names of the fields of files without a header line; null: each file begins with one. */
  readonly header: readonly string[] | null
  readonly maxValueBytes: number
  /** Lines of all objects together that may be bad. */
  readonly maxBadLines: number
  /** The files `part-00000` and so on of a directory, so many, and nothing else; absent: all that is there. */
  readonly partCount?: number
  /** Absent: values become columns as they are. */
  readonly explode?: ThriftExplode
}

/** One object of the source: what a worker takes at a time, and what a load resumes by. */
export interface SourcePart {
  /** From 0, in the order of the source. */
  readonly index: number
  readonly url: string
  /** As it is stored, hence of a compressed object the compressed size. */
  readonly sizeBytes: number
  /** Another one means other content. */
  readonly tag: string
}

/**
 * The rows of one part, once, in batches of about 1,000 rows or a megabyte; lines that fail are left out and counted.
 * Iterating throws KVErrors: INVALID_ARGUMENT (more bad lines than allowed, damaged or hostile content, no such
 * column), FAILED_PRECONDITION (the object changed meanwhile), UNAVAILABLE (it cannot be read).
 */
export interface PartRows extends AsyncIterable<readonly SourceRow[]> {
  /** Of `part.sizeBytes`, up to now. */
  readonly readBytes: number
  readonly badLineCount: number
  /** The first ones. */
  readonly badLines: readonly BadLine[]
  /** HFile: cells that Terrapin does not show, which are left out. */
  readonly foreignCellCount: number
  /** The named columns that no row up to now has a value for. */
  readonly unseenColumns: readonly string[]
}

export interface LoadSource {
  /**
   * The same parts in the same order as long as the objects stay the same.
   * @throws {KVError} INVALID_ARGUMENT when there is nothing to read, or too much
   */
  parts(): Promise<readonly SourcePart[]>
  /** @throws {KVError} while it is iterated; see PartRows */
  rows(part: SourcePart): PartRows
}
