// The one door to the Prometheus client, by its single files: its entrance would load OpenTelemetry's API with it.
import { createRequire } from 'node:module';
import type * as Client from '@prometheus-io/client';

const load = createRequire(import.meta.url);

export const Counter = load('@prometheus-io/client/lib/counter') as typeof Client.Counter;
export const Gauge = load('@prometheus-io/client/lib/gauge') as typeof Client.Gauge;
export const Histogram = load('@prometheus-io/client/lib/histogram') as typeof Client.Histogram;
export const Registry = load('@prometheus-io/client/lib/registry') as typeof Client.Registry;

export type Registry = Client.Registry;
export type Gauge<Label extends string = never> = Client.Gauge<Label>;

type Collector = (registry: Registry) => void;

/** Of the default metrics those without a timer of their own. */
export const PROCESS_COLLECTORS: readonly Collector[] = [
  ...['eventLoopLag', 'heapSizeAndUsed', 'osMemoryHeap'],
  ...['processOpenFileDescriptors', 'processMaxFileDescriptors', 'processStartTime', 'version'],
].map((name) => load(`@prometheus-io/client/lib/metrics/${name}`) as Collector);
