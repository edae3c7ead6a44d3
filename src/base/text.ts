/** Texts that callers give and that outlive their request. */

/** At most so many characters of it, in memory of its own: V8's slices keep all of what they were cut from. */
export function cutText(text: string, maxLength: number): string {
  return text.length <= maxLength ? text : Buffer.from(text.slice(0, maxLength)).toString()
}
