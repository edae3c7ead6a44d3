/** How a load is asked to make columns of a Thrift struct, and what is answered about it. */
import { z } from 'zod'
import { limits } from '../base/limits.js'
import { compileThriftStruct } from '../base/thrift-idl.js'
import { THRIFT_ENCODINGS, THRIFT_FIELD_TYPES, type ThriftField } from '../base/thrift-layout.js'
import type { ThriftExplode } from '../model/load.js'

const MAX_FILES = 256
const MAX_PATH = 1_024

const common = {
  protocol: z.enum(THRIFT_ENCODINGS).default('binary'),
  struct: z.string().min(1).max(limits.maxNameLength),
  valueField: z
    .string()
    .max(limits.maxLocalKeyBytes)
    .default('')
    .describe(
      'The field of the format that holds the struct; empty for hfile. In base64 in formats of text.',
    ),
}

/** Answers hold the struct's fields instead of the IDL: what was understood, and far less text. */
export const explodeBody = z
  .strictObject({
    ...common,
    idl: z
      .array(z.strictObject({ name: z.string().min(1).max(MAX_PATH), text: z.string() }))
      .min(1)
      .max(MAX_FILES)
      .describe('The file with the struct first, then what it includes, named by paths from it.'),
  })
  .describe('Each value is a Thrift struct: its fields become columns beside it, named by their paths.')

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

/** @throws {KVError} INVALID_ARGUMENT when the IDL is wrong or has no such struct */
export function toExplode({ idl, ...explode }: z.infer<typeof explodeBody>): ThriftExplode {
  return { ...explode, fields: compileThriftStruct(idl, explode.struct) }
}
