/** Syntax trees of our sources, for the tidy tests. Apart from tree.ts, because loading the compiler takes a second. */
import ts from 'typescript'
import { textOf } from './tree.js'

export function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, textOf(path), ts.ScriptTarget.ES2023, true)
}

export function visit(node: ts.Node, visitor: (node: ts.Node) => void): void {
  visitor(node)
  ts.forEachChild(node, (child) => visit(child, visitor))
}

export function lineOf(file: ts.SourceFile, node: ts.Node): number {
  return file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1
}
