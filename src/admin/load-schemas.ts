/** What a load is asked with and what is answered about it, as schemas; each bound to the type that the code uses. */
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { ERROR_CODES, type ErrorCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { explodeSchema } from './explode-body.js'
import {
  DEFAULT_MIN_RATIO,
  DUPLICATE_RULES,
  LOAD_FORMATS,
  type LoadRequest,
  type LoadStatus,
} from '../model/load.js'

const MAX_BAD_LINES = 1_000_000_000
const MAX_FROM_LENGTH = 4_096

const whole = z.int().min(0)
const fieldName = z.string().max(limits.maxLocalKeyBytes)
const fieldNames = z.array(fieldName).min(1).max(limits.maxCellsPerRow)

/** All but the place. */
export const inputFields = {
  format: z.enum(LOAD_FORMATS).default('ndjson'),
  keyField: fieldName.describe('The field that becomes the row key; empty for hfile.'),
  columns: fieldNames
    .nullable()
    .default(null)
    .describe('The fields that become columns; null: all but the key.'),
  header: fieldNames
    .nullable()
    .default(null)
    .describe(
      'CSV and TSV: names of the fields of files without a header line; null: each file begins with one.',
    ),
  publish: z.boolean().default(false),
  maxBadLines: z.int().min(0).max(MAX_BAD_LINES).default(0),
  onDuplicate: z.enum(DUPLICATE_RULES).default('fail').describe('What two rows of one key are.'),
  minRatio: z
    .number()
    .min(0)
    .max(1)
    .default(DEFAULT_MIN_RATIO)
    .describe("A version with less than this share of the last one's rows or bytes is refused."),
  force: z.boolean().default(false).describe('Takes the version however small it is.'),
}

export const fromField = z
  .string()
  .max(MAX_FROM_LENGTH)
  .refine((from) => (isAbsolute(from) || /^(file|s3|hdfs):\/\//.test(from)) && !from.includes('\0'), {
    error: "expected an absolute path on the gateway's machine, or a file:, s3: or hdfs: URL",
  })
  .describe('An object, a directory, or a prefix that ends in a slash.')

const requestSchema: z.ZodType<LoadRequest> = z.strictObject({
  dataset: z.string(),
  from: z.string(),
  format: z.enum(LOAD_FORMATS),
  keyField: z.string(),
  columns: z.array(z.string()).nullable(),
  header: z.array(z.string()).nullable(),
  publish: z.boolean(),
  maxBadLines: whole,
  onDuplicate: z.enum(DUPLICATE_RULES),
  minRatio: z.number(),
  force: z.boolean(),
  explode: explodeSchema.nullable().exactOptional(),
  fileSet: z
    .strictObject({ versionId: whole.nullable(), partCount: whole, retainedVersions: whole })
    .exactOptional()
    .describe("Of a load that Terrapin's loadFileSet began."),
})

// The table's keys are the codes.
const CODES = Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]

export const loadSchema: z.ZodType<LoadStatus> = z
  .strictObject({
    id: z.string(),
    request: requestSchema,
    version: whole,
    state: z.enum([
      'PLANNED',
      'UPLOADING',
      'QUEUED',
      'BUILDING',
      'ADOPTING',
      'PUBLISHING',
      'DONE',
      'FAILED',
      'CANCELLED',
    ]),
    phase: z.enum(['READING', 'WRITING']).nullable().describe('Null unless BUILDING.'),
    rows: whole.describe('Rows read.'),
    readBytes: whole,
    totalBytes: whole.describe('Of all objects, as they are stored.'),
    rowsPerSecond: whole,
    bytesPerSecond: whole,
    leftMs: whole.nullable().describe('Until the version is built; null: not known yet.'),
    duplicateCount: whole.describe('Rows left out because another one has their key.'),
    badLineCount: whole,
    badLines: z
      .array(z.strictObject({ file: z.string(), line: whole, reason: z.string() }))
      .describe('The first of them.'),
    foreignCellCount: whole.describe('HFile: cells that Terrapin does not show, which are left out.'),
    resumeCount: whole.describe('Times that it went on from what was on disk.'),
    figures: z.strictObject({ rows: whole, bytes: whole, checksum: z.string() }).nullable(),
    error: z.strictObject({ code: z.enum(CODES), message: z.string() }).nullable(),
    startedAtMs: whole,
    endedAtMs: whole.nullable(),
  })
  .meta({ id: 'Load' })
