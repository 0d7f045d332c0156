// As much of PromQL as the alert rules use: its metrics and matchers, and what an expression comes to for given samples.
import { parser } from '@prometheus-io/lezer-promql';

type Node = NonNullable<ReturnType<ReturnType<typeof parser.parse>['topNode']['getChild']>>;

export interface Sample {
  labels: Record<string, string>;
  value: number;
  /** Of a counter, a second. */
  rate?: number;
}
/** By name of the metric. */
export type World = Record<string, Sample[]>;

type Value = number | Sample[];

/** @throws with the place, where it does not parse */
export function parse(text: string): Node {
  const tree = parser.parse(text);
  tree.iterate({
    enter: ({ type, from }) => {
      if (type.isError) throw new Error(`not PromQL at ${from}: ${text.slice(from, from + 40)}`);
    },
  });
  return tree.topNode.firstChild as Node;
}

export interface Selector {
  metric: string;
  matches(labels: Record<string, string>): boolean;
  /** Labels that it asks for. */
  labels: string[];
}

function readSelector(node: Node, text: string): Selector {
  const slice = (part: Node | null): string => (part ? text.slice(part.from, part.to) : '');
  const matchers = (node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []).map((matcher) => ({
    label: slice(matcher.getChild('LabelName')),
    operator: slice(matcher.getChild('MatchOp')),
    wanted: JSON.parse(slice(matcher.getChild('StringLiteral'))) as string,
  }));
  return {
    metric: slice(node.getChild('Identifier')),
    labels: matchers.map(({ label }) => label),
    matches: (labels) =>
      matchers.every(({ label, operator, wanted }) => {
        const value = labels[label] ?? '';
        const is = operator.includes('~') ? new RegExp(`^(?:${wanted})$`).test(value) : value === wanted;
        return operator.startsWith('!') ? !is : is;
      }),
  };
}

export function listSelectors(text: string): Selector[] {
  const found: Selector[] = [];
  parse(text)
    .cursor()
    .iterate(({ node }) => {
      if (node.name === 'VectorSelector') found.push(readSelector(node, text));
    });
  return found;
}

const ARITHMETIC: Record<string, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
};
const COMPARISON: Record<string, (a: number, b: number) => boolean> = {
  Gtr: (a, b) => a > b,
  Lss: (a, b) => a < b,
  Eql: (a, b) => a === b,
};
const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

const keyOf = ({ labels }: Sample): string => JSON.stringify(Object.entries(labels).sort());
const asVector = (value: Value): Sample[] => (typeof value === 'number' ? [{ labels: {}, value }] : value);

/** What `text` comes to, as if every counter had risen at its rate for long. @param now seconds since the epoch */
export function evaluate(text: string, world: World, now: number): Sample[] {
  const inner = (node: Node): Node => node.getChild('FunctionCallBody')?.firstChild as Node;

  function select(node: Node): Sample[] {
    const { metric, matches } = readSelector(node, text);
    return (world[metric] ?? []).filter(({ labels }) => matches(labels));
  }

  function call(node: Node): Value {
    const name = node.getChild('FunctionIdentifier')?.firstChild?.name ?? '';
    if (name === 'Time') return now;
    const argument = inner(node);
    const range = argument.name === 'MatrixSelector' ? argument : undefined;
    const samples = range ? select(range.getChild('VectorSelector') as Node) : asVector(run(argument));
    const [, amount = '0', unit = 's'] = range
      ? (/\[(\d+)([smhd])\]$/.exec(text.slice(range.from, range.to)) ?? [])
      : [];
    const seconds = Number(amount) * (UNITS[unit] ?? 1);
    const each = (value: (sample: Sample) => number): Sample[] =>
      samples.map((sample) => ({ labels: sample.labels, value: value(sample) }));
    if (name === 'Absent') return samples.length > 0 ? [] : [{ labels: {}, value: 1 }];
    if (name === 'Abs') return each(({ value }) => Math.abs(value));
    if (name === 'Rate') return each(({ rate = 0 }) => rate);
    if (name === 'Increase') return each(({ rate = 0 }) => rate * seconds);
    if (name === 'MaxOverTime' || name === 'MinOverTime') return each(({ value }) => value);
    throw new Error(`the rules used no ${name} until now`);
  }

  function aggregate(node: Node): Sample[] {
    if (!node.getChild('AggregateOp')?.getChild('Sum')) throw new Error('the rules only summed until now');
    const by = (node.getChild('AggregateModifier')?.getChild('GroupingLabels')?.getChildren('LabelName') ?? []).map(
      ({ from, to }) => text.slice(from, to),
    );
    const groups = new Map<string, Sample>();
    for (const { labels, value } of asVector(run(inner(node)))) {
      const group = {
        labels: Object.fromEntries(by.flatMap((name) => (labels[name] ? [[name, labels[name]]] : []))),
        value: 0,
      };
      const sum = groups.get(keyOf(group)) ?? group;
      sum.value += value;
      groups.set(keyOf(group), sum);
    }
    return [...groups.values()];
  }

  function binary(node: Node): Value {
    const [left, operator, right] = [node.firstChild, node.firstChild?.nextSibling, node.lastChild] as [
      Node,
      Node,
      Node,
    ];
    const [a, b] = [run(left), run(right)];
    if (operator.name === 'Or') return [...asVector(a), ...asVector(b)];
    const others = asVector(b);
    const partner = (sample: Sample) =>
      typeof b === 'number' ? others[0] : others.find((other) => keyOf(other) === keyOf(sample));
    if (operator.name === 'And') return asVector(a).filter(partner);
    const [arithmetic, comparison] = [ARITHMETIC[operator.name], COMPARISON[operator.name]];
    if (typeof a === 'number' && typeof b === 'number' && arithmetic) return arithmetic(a, b);
    if (typeof a === 'number' && arithmetic)
      return others.map((other) => ({ ...other, value: arithmetic(a, other.value) }));
    return asVector(a).flatMap((sample) => {
      const other = partner(sample);
      if (!other) return [];
      if (arithmetic) return [{ labels: sample.labels, value: arithmetic(sample.value, other.value) }];
      if (!comparison) throw new Error(`the rules used no ${operator.name} until now`);
      return comparison(sample.value, other.value) ? [sample] : [];
    });
  }

  function run(node: Node): Value {
    if (node.name === 'VectorSelector') return select(node);
    if (node.name === 'NumberDurationLiteral') return Number(text.slice(node.from, node.to));
    if (node.name === 'ParenExpr') return run(node.firstChild as Node);
    if (node.name === 'FunctionCall') return call(node);
    if (node.name === 'AggregateExpr') return aggregate(node);
    if (node.name === 'BinaryExpr') return binary(node);
    throw new Error(`the rules used no ${node.name} until now`);
  }

  return asVector(run(parse(text)));
}
