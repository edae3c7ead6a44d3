/** Settings of migrations, as schema.ts has all others. */
import { z } from 'zod'
import { facts } from './setting-facts.js'

const share = z.number().min(0).max(1)

/** What must hold before a migration goes on, and what takes a ramp back. */
export const migrationSchema = z.strictObject({
  minComparisons: z.int().min(1).max(1_000_000_000).default(1_000).register(facts, {
    description: 'Comparisons of both sides without which a migration goes no further.',
    unit: 'comparisons',
  }),
  minRequests: z.int().min(1).max(1_000_000_000).default(1_000).register(facts, {
    description: 'Requests that the target answered without which a migration goes no further.',
    unit: 'requests',
  }),
  maxMismatchShare: share.min(0.000_001).default(0.001).register(facts, {
    description: 'Of the comparisons: may differ. The smaller, the more comparisons it takes to know.',
  }),
  maxUnstableShare: share.min(0.000_001).default(0.001).register(facts, {
    description: 'Of the second readings of an origin: may differ from its first.',
  }),
  maxLostShare: share.default(0.2).register(facts, {
    description: 'Of the shadow reads: may end without a comparison.',
  }),
  maxErrorShare: share.min(0.000_001).default(0.01).register(facts, {
    description: 'Of its requests: the target may fail so many more than the origin.',
  }),
  maxLatencyRatio: z.number().min(1).max(1_000).default(1.5).register(facts, {
    description: "The target's p99 may be so many times the origin's, and latencySlackMs more.",
  }),
  latencySlackMs: z.int().min(0).max(60_000).default(2).register(facts, {
    description: 'See maxLatencyRatio: what is no matter however fast the origin is.',
    unit: 'ms',
  }),
  soakMs: z.int().min(0).max(2_592_000_000).default(3_600_000).register(facts, {
    description: 'The states in which the target answers everything are left onwards after so long.',
    unit: 'ms',
  }),
  breachWindowMs: z.int().min(1_000).max(60_000).default(10_000).register(facts, {
    description: 'A ramp goes back for what was seen in so long, or since its last step.',
    unit: 'ms',
  }),
  watchEveryMs: z.int().min(100).max(5_000).default(1_000).register(facts, {
    description: 'How often ramps and what they go by are looked at.',
    unit: 'ms',
  }),
  owedRetryMs: z.int().min(100).max(300_000).default(5_000).register(facts, {
    description: 'A load that the other side did not take is tried again after so long, then twice as long.',
    unit: 'ms',
  }),
})
