// What is kept in memory, with room for so much: what was not used for longest goes, of a workload's own where that asks for much.

export interface Held {
  key: string;
  /** `wl_…` */
  workload: string;
  /** `cn_…` */
  connection: string;
  /** What it takes of the room. */
  characters: number;
}

export interface Kept<T extends Held> {
  get(key: string): T | undefined;
  /** Whatever else goes for it, as `Room` says. */
  set(item: T): void;
  /** Others go before it. */
  use(item: T): void;
  delete(key: string): void;
  clear(): void;
  values(): Iterable<T>;
  readonly size: number;
}

/** Beyond `ofOne`, one goes of the same workload in the same connection; beyond the others, one of the workload that holds most. */
export interface Room {
  items: number;
  characters: number;
  /** Items of one workload in one connection. */
  ofOne: number;
}

/** What one holds, the longest unused first. */
interface Share<T> {
  items: Set<T>;
  characters: number;
}

function createShares<T extends Held>(nameOf: (item: T) => string) {
  /** The longest unused first, so that it is the one that gives among those who hold the same. */
  const shares = new Map<string, Share<T>>();

  function remove(item: T): void {
    const name = nameOf(item);
    const share = shares.get(name);
    if (!share?.items.delete(item)) return;
    share.characters -= item.characters;
    if (share.items.size === 0) shares.delete(name);
  }
  return {
    remove,
    of: (item: T): Share<T> | undefined => shares.get(nameOf(item)),
    /** To the end of its share, and that to the end of all. */
    use: (item: T): void => {
      remove(item);
      const name = nameOf(item);
      const share = shares.get(name) ?? { items: new Set(), characters: 0 };
      share.items.add(item);
      share.characters += item.characters;
      shares.delete(name);
      shares.set(name, share);
    },
    largest: (): Share<T> | undefined => {
      let most: Share<T> | undefined;
      for (const share of shares.values()) if (!most || share.characters > most.characters) most = share;
      return most;
    },
  };
}

export function createKept<T extends Held>(room: Room): Kept<T> {
  const all = new Map<string, T>();
  const ofWorkloads = createShares<T>(({ workload }) => workload);
  const ofOnes = createShares<T>(({ workload, connection }) => `${workload} ${connection}`);
  let characters = 0;

  const isFull = (): boolean => all.size > room.items || characters > room.characters;

  const isHeld = (item: T): boolean => all.get(item.key) === item;

  function use(item: T): void {
    if (!isHeld(item)) return;
    ofWorkloads.use(item);
    ofOnes.use(item);
  }

  function drop(item: T | undefined): void {
    if (!item || !isHeld(item)) return;
    all.delete(item.key);
    characters -= item.characters;
    ofWorkloads.remove(item);
    ofOnes.remove(item);
  }

  function dropFirst(share: Share<T> | undefined): void {
    const [first] = share?.items ?? [];
    drop(first);
  }

  return {
    use,
    get: (key) => all.get(key),
    set: (item) => {
      drop(all.get(item.key));
      all.set(item.key, item);
      characters += item.characters;
      use(item);
      const own = ofOnes.of(item);
      if (own && own.items.size > room.ofOne) dropFirst(own);
      while (isFull()) dropFirst(ofWorkloads.largest());
    },
    delete: (key) => drop(all.get(key)),
    clear: () => {
      for (const item of all.values()) drop(item);
    },
    values: () => all.values(),
    get size() {
      return all.size;
    },
  };
}
