// Lists: one page when awaited, everything when iterated, page by page where that is wanted.

export interface Page<Item> {
  readonly items: readonly Item[]
  /** What `cursor` takes to go on behind this page; null on the last. */
  readonly next_cursor: string | null
  /** Of all pages; only where it was asked for. */
  readonly total?: number
}

/** `await` gives the first page, `for await` every item of all pages. */
export interface Listing<Item> extends Promise<Page<Item>>, AsyncIterable<Item> {
  pages(): AsyncIterable<Page<Item>>
}

/** `read` fetches the page at a cursor (null = where the question begins). The first is asked for at once. */
export function createListing<Item>(read: (cursor: string | null) => Promise<Page<Item>>): Listing<Item> {
  const first = read(null)
  async function* pages(): AsyncGenerator<Page<Item>> {
    let page = await first
    yield page
    while (page.next_cursor !== null) {
      page = await read(page.next_cursor)
      yield page
    }
  }
  async function* items(): AsyncGenerator<Item> {
    for await (const page of pages()) yield* page.items
  }
  return Object.defineProperties(first, {
    pages: { value: pages },
    [Symbol.asyncIterator]: { value: items },
  }) as Listing<Item>
}
