/** What is said of settings beside their types. */
import { z } from 'zod'

/** What a setting's type does not say. */
export interface SettingFacts {
  /** One sentence, for the table and for whoever reads the schema. */
  readonly description: string
  readonly unit?: string
  /** Printed in place of a default that depends on the machine. */
  readonly defaultText?: string
  /** In words, where the type alone does not say what is allowed. */
  readonly allowed?: string
  /** Printed as ***. */
  readonly secret?: boolean
}

export const facts = z.registry<SettingFacts>()
