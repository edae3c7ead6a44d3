/** Terms as Cassandra prints them in its messages (Term.Raw.getText). */
import { typeNameText } from './types.js'
import type { QualifiedName, Term } from './ast.js'

export function termText(term: Term): string {
  switch (term.kind) {
    case 'constant':
      return term.type === 'string' ? `'${term.text}'` : term.text
    case 'marker':
      return '?'
    case 'null':
      return 'NULL'
    case 'list':
      return `[${term.items.map(termText).join(', ')}]`
    case 'set':
      return `{${term.items.map(termText).join(', ')}}`
    case 'map':
      return `{${term.entries.map(({ key, value }) => `${termText(key)}: ${termText(value)}`).join(', ')}}`
    case 'udt':
      return `{${term.fields.map(({ name, value }) => `${name}: ${termText(value)}`).join(', ')}}`
    case 'tuple':
      return `(${term.items.map(termText).join(', ')})`
    case 'call':
      return `${functionText(term.name)}(${term.args.map(termText).join(', ')})`
    case 'cast':
      return `(${typeNameText(term.type)})${termText(term.term)}`
  }
}

function functionText(name: QualifiedName): string {
  return name.keyspace === null ? name.name : `${name.keyspace}.${name.name}`
}
