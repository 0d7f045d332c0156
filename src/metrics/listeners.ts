// Connections of each listener, and when its certificate expires: read at a scrape, counted by the listeners themselves.
import { renewBy, type Term } from '../reach/renewal.ts';
import { Counter, Gauge, type Registry } from './vendor.ts';

export const LISTENERS = ['public', 'internal', 'host'] as const;
export type ListenerName = (typeof LISTENERS)[number];

/** Numbers since the start, but for `open`. */
export interface ListenerTraffic {
  open: number;
  refused: number;
  refusedOfAddress: number;
  cut: number;
}

export interface ListenerSources {
  traffic: Readonly<Record<ListenerName, ListenerTraffic>>;
  /** The term of the internal listener's; undefined where it does not speak TLS. */
  certificate(): Term | undefined;
}

export function createListenerMetrics(registry: Registry, { traffic, certificate }: ListenerSources): void {
  const shown = new Map(LISTENERS.map((listener) => [listener, { refused: 0, refusedOfAddress: 0, cut: 0 }]));

  /** What came since it was shown last. */
  function more(listener: ListenerName, of: 'refused' | 'refusedOfAddress' | 'cut'): number {
    const before = shown.get(listener) as Record<typeof of, number>;
    const came = traffic[listener][of] - before[of];
    before[of] += came;
    return came;
  }

  new Gauge({
    ...{ name: 'countersign_listener_connections', labelNames: ['listener'], registers: [registry] },
    help: 'Connections that are open now, by listener.',
    collect() {
      for (const listener of LISTENERS) this.set({ listener }, traffic[listener].open);
    },
  });
  new Counter({
    name: 'countersign_listener_connections_refused_total',
    help: 'Connections closed at once, beyond the bound of the listener or of their address.',
    labelNames: ['listener', 'bound'],
    registers: [registry],
    collect() {
      for (const listener of LISTENERS) {
        this.inc({ listener, bound: 'listener' }, more(listener, 'refused'));
        this.inc({ listener, bound: 'address' }, more(listener, 'refusedOfAddress'));
      }
    },
  });
  new Counter({
    ...{ name: 'countersign_listener_connections_cut_total', labelNames: ['listener'], registers: [registry] },
    help: 'Connections ended because their answer was not taken.',
    collect() {
      for (const listener of LISTENERS) this.inc({ listener }, more(listener, 'cut'));
    },
  });
  const times: [name: string, help: string, of: (term: Term) => number][] = [
    ['expiry', 'When the certificate in use expires, where the listener speaks TLS.', ({ until }) => until],
    ['renew_by', 'When it should have been renewed.', renewBy],
  ];
  for (const [name, help, of] of times) {
    new Gauge({
      name: `countersign_listener_certificate_${name}_timestamp_seconds`,
      ...{ help, labelNames: ['listener'], registers: [registry] },
      collect() {
        const term = certificate();
        if (term) this.set({ listener: 'internal' }, of(term) / 1000);
      },
    });
  }
}
