/** What may stand in paths and queries, described once a name. */
import { DEFAULT_MIN_RATIO, DUPLICATE_RULES, LOAD_FORMATS } from '../model/load.js'
import { KEY_ENCODINGS } from './bytes-json.js'

export interface ParameterFacts {
  readonly description: string
  readonly schema: Readonly<Record<string, unknown>>
  /** May stand there several times. */
  readonly isRepeated?: boolean
  /** In a query: without it the request is refused. */
  readonly isRequired?: boolean
}

const text = { type: 'string' } as const
const flag = { type: 'boolean', default: false } as const

export const PATH_PARAMETERS: Readonly<Record<string, ParameterFacts>> = {
  name: { description: 'Name of the dataset or cluster.', schema: text },
  id: { description: 'Id of the version (milliseconds since 1970) or of the load.', schema: text },
  key: { description: 'The row key, in keyEncoding.', schema: text },
}

export const QUERY_PARAMETERS: Readonly<Record<string, ParameterFacts>> = {
  dryRun: { description: 'Check everything, change nothing, and answer what would be.', schema: flag },
  limit: { description: 'How many there may be at most.', schema: { type: 'integer', minimum: 1 } },
  column: { description: 'Only this column, in keyEncoding.', schema: text, isRepeated: true },
  page: { description: 'Where to go on: `next` of the page before.', schema: text },
  from: { description: 'First row key, in keyEncoding; ORDERED datasets only.', schema: text },
  to: { description: 'Row key to stop before, in keyEncoding; ORDERED datasets only.', schema: text },
  format: {
    description: 'What the body holds.',
    schema: { type: 'string', enum: [...LOAD_FORMATS], default: 'ndjson' },
  },
  keyField: { description: 'The field that becomes the row key.', schema: text, isRequired: true },
  header: {
    description: 'CSV and TSV without a header line: the name of the next field.',
    schema: text,
    isRepeated: true,
  },
  publish: { description: 'Serve the version as soon as it is there.', schema: flag },
  maxBadLines: {
    description: 'Lines that may be wrong, and are left out, before the load fails.',
    schema: { type: 'integer', minimum: 0, default: 0 },
  },
  caller: { description: 'Who would read, as callers name themselves.', schema: text },
  dataset: { description: 'Only what concerns this one.', schema: text },
  lastMs: { description: 'Milliseconds to look back.', schema: { type: 'integer', minimum: 1 } },
  onDuplicate: {
    description: 'What two rows of one key are.',
    schema: { type: 'string', enum: [...DUPLICATE_RULES], default: 'fail' },
  },
  minRatio: {
    description: "A version with less than this share of the last one's rows or bytes is refused.",
    schema: { type: 'number', minimum: 0, maximum: 1, default: DEFAULT_MIN_RATIO },
  },
  force: { description: 'Take the version however small it is.', schema: flag },
  keyEncoding: {
    description: 'How keys and column names are written.',
    schema: { type: 'string', enum: [...KEY_ENCODINGS], default: 'utf8' },
  },
}
