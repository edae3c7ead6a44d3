/**
 * Whose a published node is, in a tree that others write to as well. Beside each node that a gateway makes it keeps a claim,
 * a node of its own below `/<cluster>/godwit`, and it writes both in one transaction. So a node is a gateway's exactly as
 * long as one transaction changed it and its claim last; what another program made, made anew or changed is not, and is
 * never touched.
 *
 *     /<cluster>/filesets/<file set>                     /<cluster>/godwit/filesets/<file set>
 *     /<cluster>/views/$terrapin$data$<file set>$<id>    /<cluster>/godwit/filesets/<file set>/<id>
 *                                                        /<cluster>/godwit/gateways/<advertised host>   (ephemeral)
 */
import type { Operation, ZooKeeperNode } from './protocol.js'
import type { ZooKeeperSession } from './session.js'

/** Reads of a pair are two requests: a transaction of another gateway may lie between them. */
const MAX_LOOKS = 3

export interface ClaimedPair {
  readonly path: string
  readonly claimPath: string
  readonly node: ZooKeeperNode | null
  readonly claim: ZooKeeperNode | null
  /** ABSENT: nothing stands at the path. */
  readonly state: 'ABSENT' | 'OURS' | 'FOREIGN'
}

export async function readPair(
  session: Pick<ZooKeeperSession, 'get'>,
  path: string,
  claimPath: string,
): Promise<ClaimedPair> {
  for (let look = 1; ; look++) {
    const [claim, node] = await Promise.all([session.get(claimPath), session.get(path)])
    if (node === null) return { path, claimPath, node, claim, state: 'ABSENT' }
    const isOurs = claim?.stat.changedBy === node.stat.changedBy
    if (isOurs || claim === null || look === MAX_LOOKS) {
      return { path, claimPath, node, claim, state: isOurs ? 'OURS' : 'FOREIGN' }
    }
  }
}

/** Makes both nodes or changes them; refused as a whole when either has changed since it was read. */
export function writePair(
  { path, claimPath, node, claim }: ClaimedPair,
  data: Buffer,
  by: Buffer,
): [claim: Operation, node: Operation] {
  return [writeNode(claimPath, claim, by), writeNode(path, node, data)]
}

function writeNode(path: string, known: ZooKeeperNode | null, data: Buffer): Operation {
  return known === null
    ? { kind: 'create', path, data }
    : { kind: 'set', path, data, version: known.stat.version }
}

/** Both nodes go, of what is not ours the claim alone. */
export function removePair({ path, claimPath, node, claim, state }: ClaimedPair): Operation[] {
  return [
    ...(node === null || state !== 'OURS' ? [] : [removal(path, node)]),
    ...(claim === null ? [] : [removal(claimPath, claim)]),
  ]
}

function removal(path: string, { stat }: ZooKeeperNode): Operation {
  return { kind: 'delete', path, version: stat.version }
}
