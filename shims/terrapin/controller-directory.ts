/**
 * The directory that a loadFileSet names, and what its files say of the file set's partitions: pure. Names as Terrapin's
 * TerrapinUtil.extractPartitionName and formatPartitionName take and write them: `part-` and five digits; a data server
 * opens exactly that file, so that a part which has only a longer name never came online there.
 */
import { pathToFileURL } from 'node:url'
import { KVError } from '../../src/base/errors.js'

/** `part-` and what must be a number behind it. */
const PREFIX = 'part-'
const NUMBER_END = PREFIX.length + 5
/** Milliseconds since 1970, as HdfsUploader names the directory of a version. */
const VERSION_NAME = /^[1-9]\d{12}$/
/** With a path behind the host. */
const URL_FORM = /^(file|s3|hdfs):\/\/[^/]*\/./
const MAX_LENGTH = 900

export interface FileSetDirectory {
  /** As the caller wrote it. */
  readonly asked: string
  /** Ends in a slash. */
  readonly url: string
  /** The directory's name, if it is one of 13 digits; null: the version gets its id from the clock. */
  readonly versionId: number | null
}

/**
 * @param root URL that bare paths lie below; null: they lie nowhere
 * @throws {KVError} INVALID_ARGUMENT, UNAVAILABLE (a bare path and no root)
 */
export function toDirectory(asked: string, root: string | null): FileSetDirectory {
  // Control characters would stand in logs and audit lines.
  const printable = asked.replaceAll(/[\u0000-\u001f\u007f]/g, '?')
  if (asked === '' || asked.length > MAX_LENGTH || printable !== asked) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `a directory of 1 to ${MAX_LENGTH} printable characters is needed, not "${printable.slice(0, 40)}"`,
    )
  }
  const url = canonical(asked.startsWith('/') ? below(root, asked) : asked)
  const name = url.slice(url.lastIndexOf('/') + 1)
  return { asked, url: `${url}/`, versionId: VERSION_NAME.test(name) ? Number(name) : null }
}

function below(root: string | null, path: string): string {
  if (root === null) {
    throw new KVError(
      'UNAVAILABLE',
      `where "${path}" lies is not configured: set objects.webhdfs.urls, or terrapin.root to the URL it lies below`,
    )
  }
  // The way of a file: URL would lead out of the root by them.
  if (path.split('/').some((name) => name === '.' || name === '..'))
    throw new KVError('INVALID_ARGUMENT', `"${path}" is no path of HDFS: write it without . and ..`)
  // Paths are no URLs: what looks like an escape in one is a name.
  const written = root.startsWith('file:') ? pathToFileURL(path).pathname : path
  // Of `hdfs://`, where no host stands, all slashes stay.
  return `${root.replace(/([^/:])\/+$/, '$1')}${written}`
}

/** As listings write it, so that the names of what they find can be cut off; without a slash at its end. */
function canonical(url: string): string {
  const written = url.startsWith('file:') && URL.canParse(url) ? new URL(url).href : url
  const place = written.replace(/\/+$/, '')
  if (URL_FORM.test(place)) return place
  throw new KVError(
    'INVALID_ARGUMENT',
    `"${url}" is neither the path of a directory nor its file://, s3:// or hdfs:// URL`,
  )
}

/** What Terrapin calls the version: its directory with every `/` a `$` (TerrapinUtil.hdfsDirToHelixResource). */
export function resourceOf({ asked }: FileSetDirectory): string {
  return asked.replaceAll('/', '$')
}

/** What the files of a directory say. */
export interface PartitionCount {
  /** Different partition numbers, which Terrapin compares with what is expected. */
  readonly found: number
  /** Why no version can be made of them; null: the files `part-00000` to the last one are all there. */
  readonly fault: string | null
}

/**
 * @param names of everything in the directory
 * @throws {RangeError} for a name that ends Terrapin's own count with an exception
 */
export function countPartitions(names: readonly string[]): PartitionCount {
  const present = new Set(names)
  const numbers = new Map<number, string>()
  for (const name of names) {
    if (!name.startsWith(PREFIX)) continue
    if (name.length < NUMBER_END)
      throw new RangeError(`${name} begins like a part and has no number of five digits`)
    const digits = name.slice(PREFIX.length, NUMBER_END)
    if (/^[+-]?\d+$/.test(digits)) numbers.set(Number(digits), name)
  }
  return { found: numbers.size, fault: faultOf(numbers, present) }
}

function faultOf(numbers: ReadonlyMap<number, string>, present: ReadonlySet<string>): string | null {
  for (const [number, name] of numbers) {
    const exact = `${PREFIX}${String(number).padStart(5, '0')}`
    if (!present.has(exact)) return `${name} could never come online: it would have to be named ${exact}`
  }
  for (let number = 0; number < numbers.size; number++) {
    if (!numbers.has(number)) return `${PREFIX}${String(number).padStart(5, '0')} is missing`
  }
  return numbers.size === 0 ? 'it has no files part-00000 and so on' : null
}
