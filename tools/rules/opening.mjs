// Every file opens with one sentence on what it owns, as a linter rule.

export const opening = {
  create(context) {
    return {
      Program(node) {
        const text = context.sourceCode.text.replace(/^#!.*\n/, '');
        if (/^\/\/ \S.*[^\s]\n/.test(text)) return;
        context.report({ node, message: 'Open the file with a comment of one sentence that says what it owns.' });
      },
    };
  },
};
