// A pattern that every list fits is refused in tests, as a linter rule: tap's match wants what the pattern's list holds, and no more.

const LOOSE = ['match', 'has', 'hasStrict'];

/** What is told in the pattern itself; a list that is made by a call is not looked into. */
const INSIDE = {
  ArrayExpression: (node) => node.elements,
  ConditionalExpression: (node) => [node.consequent, node.alternate],
  ObjectExpression: (node) => node.properties,
  Property: (node) => [node.value],
  SpreadElement: (node) => [node.argument],
  TSAsExpression: (node) => [node.expression],
  TSSatisfiesExpression: (node) => [node.expression],
};

function* emptyLists(node) {
  if (node?.type === 'ArrayExpression' && node.elements.length === 0) yield node;
  for (const child of INSIDE[node?.type]?.(node) ?? []) yield* emptyLists(child);
}

export const patterns = {
  create(context) {
    return {
      CallExpression({ callee, arguments: [, pattern] }) {
        if (callee.type !== 'MemberExpression' || !LOOSE.includes(callee.property.name)) return;
        for (const node of emptyLists(pattern))
          context.report({
            node,
            message: `Every list fits [] in a pattern of ${callee.property.name}: hold that member against [] with same.`,
          });
      },
    };
  },
};
