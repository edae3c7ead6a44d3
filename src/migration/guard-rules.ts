/** The guards that look at how things are: records, configuration, what is open, what is owed. Pure. */
import type { DatasetRecord, VersionRecord } from '../model/dataset.js'
import { NO_MIGRATION, type Side, WHOLE_SHARE } from '../model/migration.js'
import type { Guard, GuardOutcome } from '../model/migration-plan.js'
import type { MigrationFacts } from './facts.js'

/** What a rule finds; its name and whether it may be forced are its own. */
export interface Finding {
  readonly outcome: GuardOutcome
  readonly figure: string
  readonly bound: string
  readonly advice: string
}

export interface GuardRule {
  readonly name: string
  /** False where data would be lost, wrong answers be given knowingly, or the change could not work at all. */
  readonly isForceable: boolean
  readonly check: (facts: MigrationFacts) => Finding
}

export function checkRule({ name, isForceable, check }: GuardRule, facts: MigrationFacts): Guard {
  const finding = check(facts)
  return { name, isForceable, ...finding, advice: finding.outcome === 'PASS' ? '' : finding.advice }
}

/** What is so or is not. */
export function found(holds: boolean, figure: string, [bound, advice]: readonly [string, string]): Finding {
  return { outcome: holds ? 'PASS' : 'FAIL', figure, bound, advice }
}

export const isBatch: GuardRule = {
  name: 'dataset is read-only',
  isForceable: false,
  check: ({ record: { mode } }) =>
    found(mode === 'BATCH', mode, ['BATCH', 'only BATCH datasets migrate so far']),
}

export const originConfigured: GuardRule = {
  name: 'origin is configured',
  isForceable: false,
  check: ({ record, origin }) =>
    found(origin !== null, record.origin ?? 'none', [
      'a name under origins in the configuration',
      `add origins.${record.origin ?? 'NAME'} to the configuration and start the gateway anew`,
    ]),
}

export const originIsNotSelf: GuardRule = {
  name: 'origin is another process',
  isForceable: false,
  check: ({ origin, target }) => {
    const own = origin?.addresses.find((address) => target.ownAddresses.includes(address))
    return found(own === undefined, own ?? origin?.addresses.join(', ') ?? 'none', [
      "none of this gateway's own listeners",
      `set the address of the old store under origins.${origin?.name ?? 'NAME'}; a gateway that asks itself never ends`,
    ])
  },
}

export const controllerIsNotSelf: GuardRule = {
  name: 'controller is another process',
  isForceable: false,
  check: ({ origin, target }) => {
    const controller = origin?.controller ?? null
    const isOwn = controller !== null && target.ownAddresses.includes(controller)
    return found(!isOwn, controller ?? 'none', [
      "none of this gateway's own listeners",
      `set origins.${origin?.name ?? 'NAME'}.controller to the old store's; a load that comes back to us never ends`,
    ])
  },
}

export const controllerReachable: GuardRule = {
  name: 'controller answers',
  isForceable: true,
  check: ({ origin }) => {
    const problem = origin?.controllerProblem ?? null
    return found(problem === null, problem ?? origin?.controller ?? 'none', [
      'yes, where there is one',
      `see that origins.${origin?.name ?? 'NAME'}.controller is right and that it runs: loads would be refused`,
    ])
  },
}

/** The wrong cluster, API or name: the store is there and knows nothing of it. */
export const originHasDataset: GuardRule = {
  name: 'origin has the dataset',
  isForceable: true,
  check: ({ origin, record }) => {
    const problem = origin?.datasetProblem ?? null
    return found(problem === null, problem ?? 'yes', [
      'a read of it is answered',
      `see that ${record.name} is its name there, and api and clusters under origins.${origin?.name ?? 'NAME'}`,
    ])
  },
}

/** May be forced, or an old store that is lost for good would keep its dataset for ever. */
export const originReachable: GuardRule = {
  name: 'origin answers',
  isForceable: true,
  check: ({ origin, evidence }) => {
    const problem = origin?.problem ?? (evidence.figures.origin.isBreakerOpen ? 'its breaker is open' : null)
    return found(origin !== null && problem === null, problem ?? 'yes', [
      'yes',
      'see that the old store runs and that its address under origins is right',
    ])
  },
}

/** The same before a move after which nobody answers in its place. */
export const originReachableToReturn: GuardRule = {
  ...originReachable,
  check: (facts) => ({
    ...originReachable.check(facts),
    advice:
      'see that the old store runs; forced, its reads fail until it does, because the target stands in for it no more',
  }),
}

export const doubleLoad: GuardRule = {
  name: 'loads reach both sides',
  isForceable: true,
  check: ({ origin }) =>
    found(origin?.controller !== null && origin !== null, origin?.controller ?? 'no controller', [
      'a controller to forward loads to',
      `set origins.${origin?.name ?? 'NAME'}.controller, or force this and load both sides by hand`,
    ]),
}

export const clusterReady: GuardRule = {
  name: 'target cluster takes it',
  isForceable: false,
  check: ({ record, target }) =>
    found(target.clusterProblem === null, target.clusterProblem ?? record.cluster, [
      'a cluster with leaves enough for the replicas',
      'see "godwit cluster list", and move the dataset or lower its replicas',
    ]),
}

export const versionPublished: GuardRule = {
  name: 'target has a version',
  isForceable: false,
  check: ({ record }) => {
    const current = currentVersion(record)
    return found(current !== null, current === null ? 'none' : String(current.id), [
      'a current version',
      'load one through the gateway, or publish one that is READY',
    ])
  },
}

export const versionNotEmpty: GuardRule = {
  name: 'version has rows',
  isForceable: true,
  check: ({ record }) => {
    const rows = currentVersion(record)?.rows ?? 0
    return found(rows > 0, `${rows} rows`, ['1 row or more', 'load a version that is not empty'])
  },
}

export const sameVersion: GuardRule = {
  name: 'both sides serve one version',
  isForceable: true,
  check: ({ record }) => {
    const target = currentVersion(record)?.id
    const origin = migrationOf(record).originVersion?.versionId
    const figure = `origin ${origin ?? 'unknown'}, target ${target ?? 'none'}`
    return found(target !== undefined && target === origin, figure, [
      'equal',
      origin === undefined
        ? `load once more through the gateway, or say which version the origin serves: godwit migrate ${record.name} origin-version ID`
        : 'load, publish or roll back the side that is behind',
    ])
  },
}

export const nothingOwed: GuardRule = {
  name: 'no load is owed',
  isForceable: false,
  check: ({ record }) =>
    owedFinding(
      record,
      'TARGET',
      'it is tried again by itself; see "status" for the error, or load a newer version',
    ),
}

/** May be forced: callers miss nothing by it, and an origin that is lost owes for ever. */
export const originOwesNothing: GuardRule = {
  name: 'origin owes no load',
  isForceable: true,
  check: ({ record }) =>
    owedFinding(
      record,
      'ORIGIN',
      'it is tried again by itself; forced, there is only older data to go back to',
    ),
}

export const noLoadRuns: GuardRule = {
  name: 'no load is under way',
  isForceable: true,
  check: ({ target: { load } }) =>
    found(load === null, load ?? 'none', ['none', 'wait until it has ended: see "godwit load list"']),
}

export const noCanary: GuardRule = {
  name: 'no canary',
  isForceable: false,
  check: ({ record: { canary, name } }) =>
    found(canary === null, canary === null ? 'none' : `version ${canary.versionId}`, [
      'none',
      `a part of the keys has another version: publish it, or "godwit versions canary ${name} --end"`,
    ]),
}

export const targetServes: GuardRule = {
  name: 'target serves every shard',
  isForceable: false,
  check: ({ target: { problems } }) =>
    found(problems.length === 0, problems[0] ?? 'yes', [
      'yes',
      'see "godwit status", and repair what it names',
    ]),
}

export const copiesComplete: GuardRule = {
  name: 'every copy is there',
  isForceable: false,
  check: ({ target: { wantedCopies, confirmedCopies } }) =>
    found(confirmedCopies >= wantedCopies, `${confirmedCopies} of ${wantedCopies}`, [
      'all',
      'see that every leaf of the cluster answers, and wait until they have their copies',
    ]),
}

export const rollbackPossible: GuardRule = {
  name: 'a version to roll back to',
  isForceable: true,
  check: ({ record }) => {
    const kept = record.versions.filter(({ state }) => state === 'READY' || state === 'ARCHIVED').length
    return found(
      record.retainedVersions > 1 && kept > 0,
      `${kept} kept, ${record.retainedVersions} retained`,
      [
        '1 beside the current one',
        `retain 2 versions or more ("godwit dataset update ${record.name} --retain 2") and load once more`,
      ],
    )
  },
}

export const rollbackRetained: GuardRule = {
  name: 'versions are kept to roll back to',
  isForceable: true,
  check: ({ record: { name, retainedVersions } }) =>
    found(retainedVersions > 1, String(retainedVersions), [
      '2 or more',
      `a bad version could not be rolled back: godwit dataset update ${name} --retain 2`,
    ]),
}

export const splitWhole: GuardRule = {
  name: 'target answers every key',
  isForceable: true,
  check: ({ record }) => {
    const { splitShare } = migrationOf(record).dials
    return found(splitShare === WHOLE_SHARE, `${splitShare / 100} %`, [
      '100 %',
      `raise the split step by step: godwit migrate ${record.name} ramp --to 100`,
    ])
  },
}

export const noRampRuns: GuardRule = {
  name: 'no ramp is under way',
  isForceable: false,
  check: ({ record }) => {
    const ramp = migrationOf(record).ramp
    return found(ramp === null || ramp.state === 'DONE', ramp === null ? 'none' : ramp.state, [
      'none, or one that is done',
      'wait for its end, or end it: godwit migrate DATASET ramp --stop'.replace('DATASET', record.name),
    ])
  },
}

export const shadowDialled: GuardRule = {
  name: 'shadow reads compare',
  isForceable: false,
  check: ({ record }) => {
    const { shadowShare } = migrationOf(record).dials
    return found(shadowShare > 0, `${shadowShare / 100} %`, [
      'more than 0 %',
      `dial them: godwit migrate ${record.name} shadow 1`,
    ])
  },
}

export const soaked: GuardRule = {
  name: 'time in this state',
  isForceable: true,
  check: ({ record, settings, nowMs }) => {
    const passedMs = nowMs - migrationOf(record).sinceMs
    const inMinutes = (ms: number): string => `${Math.floor(Math.max(0, ms) / 60_000)} min`
    return {
      outcome: passedMs >= settings.soakMs ? 'PASS' : 'TOO_LITTLE',
      figure: inMinutes(passedMs),
      bound: `${inMinutes(settings.soakMs)} or more`,
      advice: 'wait: what goes wrong seldom shows late',
    }
  },
}

function owedFinding(record: DatasetRecord, of: Side, advice: string): Finding {
  const owed = migrationOf(record).owed.filter(({ side }) => side === of)
  const named = owed.slice(0, 3).map(({ side, versionId }) => `${side} misses ${versionId}`)
  const figure = owed.length === 0 ? '0' : `${owed.length}: ${named.join(', ')}`
  return found(owed.length === 0, figure, ['0', advice])
}

export function currentVersion({ versions }: DatasetRecord): VersionRecord | null {
  return versions.find(({ state }) => state === 'CURRENT') ?? null
}

export function migrationOf(record: DatasetRecord): typeof NO_MIGRATION {
  return record.migration ?? NO_MIGRATION
}
