/** How a load is asked to make columns of a Thrift struct, and what is answered about it. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { compileThriftStruct } from '../base/thrift-idl.js'
import { THRIFT_ENCODINGS, THRIFT_FIELD_TYPES, thriftPaths } from '../base/thrift-layout.js'
import type { ThriftField, ValueLayout } from '../base/thrift-layout.js'
import type { ThriftExplode } from '../model/load.js'

const MAX_FILES = 256
const MAX_PATH = 1_024

/** Answers hold the struct's fields instead of the IDL: what was understood, and far less text. */
const structFields = {
  protocol: z.enum(THRIFT_ENCODINGS).default('binary'),
  struct: z.string().min(1).max(limits.maxNameLength),
  idl: z
    .array(z.strictObject({ name: z.string().min(1).max(MAX_PATH), text: z.string() }))
    .min(1)
    .max(MAX_FILES)
    .describe('The file with the struct first, then what it includes, named by paths from it.'),
}

export const explodeBody = z
  .strictObject({
    ...structFields,
    valueField: z
      .string()
      .max(limits.maxLocalKeyBytes)
      .default('')
      .describe(
        'The field of the format that holds the struct; empty for hfile. In base64 in formats of text.',
      ),
  })
  .describe('Each value is a Thrift struct: its fields become columns beside it, named by their paths.')

/** Of a dataset: its values have no field. */
export const layoutBody = z
  .strictObject({
    ...structFields,
    columns: z
      .array(z.string().min(1).max(limits.maxLocalKeyBytes))
      .min(1)
      .max(limits.maxCellsPerRow)
      .nullable()
      .default(null)
      .describe('Paths of the fields that become columns; null: all.'),
  })
  .describe('What the values of HFiles are, in loads that say nothing else, loadFileSet above all.')

const fieldType = z.enum(THRIFT_FIELD_TYPES)

const fieldSchema: z.ZodType<ThriftField> = z
  .strictObject({
    id: z.int(),
    name: z.string(),
    type: fieldType,
    isRequired: z.boolean(),
    elements: z.array(fieldType),
    get fields(): z.ZodType<readonly ThriftField[] | null> {
      return z.array(fieldSchema).nullable()
    },
  })
  .meta({ id: 'ThriftField' })

export const explodeSchema: z.ZodType<ThriftExplode> = z.strictObject({
  protocol: z.enum(THRIFT_ENCODINGS),
  struct: z.string(),
  valueField: z.string(),
  fields: z.array(fieldSchema),
})

export const layoutSchema: z.ZodType<ValueLayout> = z.strictObject({
  protocol: z.enum(THRIFT_ENCODINGS),
  struct: z.string(),
  columns: z.array(z.string()).nullable(),
  fields: z.array(fieldSchema),
})

/** @throws {KVError} INVALID_ARGUMENT when the IDL is wrong, or has no such struct or field */
export function toLayout({ idl, ...layout }: z.infer<typeof layoutBody>): ValueLayout {
  const fields = compileThriftStruct(idl, layout.struct)
  const paths = thriftPaths(fields)
  const missing = layout.columns?.find((name) => !paths.includes(name))
  if (missing === undefined) return { ...layout, fields }
  throw new KVError(
    'INVALID_ARGUMENT',
    `${layout.struct} has no field "${missing.slice(0, 60)}" that is a column`,
  )
}

/** @throws {KVError} INVALID_ARGUMENT when the IDL is wrong or has no such struct */
export function toExplode({ idl, ...explode }: z.infer<typeof explodeBody>): ThriftExplode {
  return { ...explode, fields: compileThriftStruct(idl, explode.struct) }
}
