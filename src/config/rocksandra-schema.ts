/** Settings of what Rocksandra's clients see: the ring that drivers read, who owns their tables, and who may connect. */
import { isIP } from 'node:net'
import { z } from 'zod'
import { isWildcardHost } from '../base/hosts.js'
import { limits } from '../base/limits.js'
import { PASSWORD_HASH_PATTERN } from '../base/passwords.js'
import { facts } from './setting-facts.js'

const ADDRESS_IN_WORDS = 'an IP address'

function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !isWildcardHost(text)
}

const name = z.string().regex(/^[\x20-\x7e]{1,128}$/)

const userSchema = z.strictObject({
  password: z.string().regex(PASSWORD_HASH_PATTERN).register(facts, {
    description:
      'Salted hash of the password, as "godwit password" prints it. Without users nobody is asked.',
    allowed: 'scrypt:N:salt:key',
    secret: true,
  }),
})

export const rocksandraSchema = z.strictObject({
  owner: z
    .strictObject({
      name: z.string().max(limits.maxNameLength).default('').register(facts, {
        description:
          'Owner of the tables that CQL clients make, if the tables do not say; empty: those that do not are refused.',
        allowed: 'text',
      }),
      contact: z.string().max(256).default('').register(facts, {
        description: 'How to reach that owner; empty: as without a name.',
        allowed: 'text',
      }),
    })
    .prefault({}),
  clusterName: name.default('godwit').register(facts, {
    description: 'Name of the cluster that drivers are shown.',
    allowed: '1 to 128 characters',
  }),
  dataCenter: name.default('datacenter1').register(facts, {
    description: 'Data center that drivers are shown; some refuse one that is not their local one.',
    allowed: '1 to 128 characters',
  }),
  rack: name.default('rack1').register(facts, {
    description: 'Rack that drivers are shown.',
    allowed: '1 to 128 characters',
  }),
  advertisedAddress: z
    .string()
    .refine((text) => text === '' || isAddress(text))
    .default('')
    .register(facts, {
      description: 'Where drivers reach this gateway; empty: at the address that its listener binds.',
      allowed: `${ADDRESS_IN_WORDS}, or empty`,
    }),
  peers: z.array(z.string().refine(isAddress)).max(64).default([]).register(facts, {
    description: 'Where drivers reach the other gateways, on the same port; each gateway names all others.',
    allowed: 'a list of IP addresses',
  }),
  batchWarnBytes: z.int().min(1).max(limits.maxCqlFrameBytes).default(5_120).register(facts, {
    description:
      'Clients are warned of larger batches; batch_size_warn_threshold_in_kb of cassandra.yaml, whose rules count.',
    unit: 'bytes',
  }),
  batchFailBytes: z.int().min(1).max(limits.maxCqlFrameBytes).default(51_200).register(facts, {
    description: 'Larger batches are refused; batch_size_fail_threshold_in_kb.',
    unit: 'bytes',
  }),
  users: z
    .record(z.string().regex(/^[^\0]{1,128}$/), userSchema)
    .default({})
    .register(facts, {
      description: 'Who may connect, by name; empty: anybody, and nobody is asked.',
      allowed: 'names of 1 to 128 characters',
    }),
})
