// The logic of rules over conditions on rows: an expression is true for some rows, false for some, and ends in an error for the others.
import { ALWAYS, every, NEVER, type Predicate, some } from '../core/predicate.ts'

/** The rows for which an expression is true and those for which it is false; null where no condition can say so. */
export interface Truth {
  readonly yes: Predicate | null
  readonly no: Predicate | null
}

export const TRUE: Truth = { yes: ALWAYS, no: NEVER }
export const FALSE: Truth = { yes: NEVER, no: ALWAYS }
/** An error for every row. */
export const FAULT: Truth = { yes: NEVER, no: NEVER }
/** Only the rule itself can tell. */
export const OPAQUE: Truth = { yes: null, no: null }

/** `!a` */
export function not({ yes, no }: Truth): Truth {
  return { yes: no, no: yes }
}

/** `a && b`: false if either is, whatever becomes of the other. */
export function and(a: Truth, b: Truth): Truth {
  return { yes: both(a.yes, b.yes), no: either(a.no, b.no) }
}

/** `a || b`: true if either is, whatever becomes of the other. */
export function or(a: Truth, b: Truth): Truth {
  return { yes: either(a.yes, b.yes), no: both(a.no, b.no) }
}

/** `a ? b : c` */
export function choose(a: Truth, b: Truth, c: Truth): Truth {
  return {
    yes: either(both(a.yes, b.yes), both(a.no, c.yes)),
    no: either(both(a.yes, b.no), both(a.no, c.no)),
  }
}

function both(a: Predicate | null, b: Predicate | null): Predicate | null {
  if (a !== null && b !== null) return every(a, b)
  return isConstant(a, false) || isConstant(b, false) ? NEVER : null
}

function either(a: Predicate | null, b: Predicate | null): Predicate | null {
  if (a !== null && b !== null) return some(a, b)
  return isConstant(a, true) || isConstant(b, true) ? ALWAYS : null
}

function isConstant(predicate: Predicate | null, value: boolean): boolean {
  return predicate?.kind === 'constant' && predicate.value === value
}
