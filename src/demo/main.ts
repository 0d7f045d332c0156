// `npm run demo`: the main job on real parts, for people to watch; then it stays up until Ctrl-C.
import { keepTokenFile } from './container-token.ts';
import { forgetAws } from './environment.ts';
import { untilInterrupted } from './interrupt.ts';
import { type DemoOptions, HELP, readOptions } from './options.ts';
import { INTERRUPTED, type Outcome, outcomeLine, settle } from './outcome.ts';
import { createRunner, describeFault, type Runner } from './runner.ts';
import { createScreen, duration, type Screen } from './screen.ts';
import { createStage, type Stage } from './stage.ts';
import { type Played, play } from './steps.ts';
import { keptText, suggest, suggestionText } from './try.ts';

const TITLE = "Countersign: a service gets AWS credentials for a customer's account, and no key is stored anywhere.";
const PARTS =
  'The parts are real: the service in a process of its own, its API over HTTP, the AWS SDK. AWS alone is played, by a ' +
  'sandbox that is as strict; nothing leaves this machine. It takes about a quarter of a minute.';

async function flow(
  runner: Runner,
  screen: Screen,
  { once, dataDir }: DemoOptions,
  own: (stage: Stage) => void,
): Promise<Played> {
  runner.scene('1. Two processes on this machine');
  const stage = await runner.step('make_folders', 'Files of this run', (tell) => {
    const made = createStage(screen, dataDir);
    own(made);
    tell(made.temporary ? `${made.dataDir}, removed at the end` : `${made.dataDir}, kept`);
    return made;
  });
  const played = await play(runner, stage);
  if (once) {
    runner.scene('8. The end');
    await runner.step('stop', 'The service and the sandbox stop, and nothing is left behind', () => stage.end());
  }
  return played;
}

function sumUp({ scene, steps }: Runner, outcome: Outcome<Played>): void {
  const ms = steps.reduce((sum, step) => sum + step.ms, 0);
  if (outcome.ok) scene(`Every step held: ${steps.length} steps in ${duration(ms)}.`);
  else
    scene(`Not every step held: ${outcome.failed} ${outcome.exitCode === INTERRUPTED ? 'was interrupted' : 'failed'}.`);
}

/** Until somebody ends it, or the service ends by itself. @returns the exit code */
async function stayUp(screen: Screen, stage: Stage, played: Played, interrupted: Promise<string>): Promise<number> {
  const suggestions = suggest(stage, played, await keepTokenFile(stage, played));
  screen.scene('It stays up. Try:');
  screen.block(`\n${suggestionText(screen.paint, suggestions)}`);
  screen.scene(`Ctrl-C ends it${stage.temporary ? ' and leaves nothing behind' : ''}.`);
  const ended = await Promise.race([interrupted.then(() => undefined), played.house.service.ended]);
  if (ended === undefined) return 0;
  screen.note(`The service ended by itself (${ended}).`, 'red');
  return 1;
}

/** @returns the exit code: 0 if every step held */
async function demonstrate(options: DemoOptions, screen: Screen): Promise<number> {
  const runner = createRunner(screen);
  const interrupted = untilInterrupted();
  let stage: Stage | undefined;
  screen.title(TITLE, PARTS);
  const outcome = await settle(
    runner,
    flow(runner, screen, options, (made) => (stage = made)),
    interrupted,
  );
  sumUp(runner, outcome);
  let exitCode = outcome.ok ? 0 : outcome.exitCode;
  if (outcome.ok && !options.once && stage) exitCode = await stayUp(screen, stage, outcome.result, interrupted);
  await stage?.end().catch((error: unknown) => {
    screen.note(describeFault(error), 'red');
    exitCode = 1;
  });
  if (outcome.ok && stage && !stage.temporary) screen.block(`\n${keptText(stage, outcome.result)}`);
  if (!options.once) screen.scene('Stopped.');
  else screen.block(outcomeLine(outcome, runner.steps));
  return exitCode;
}

if (import.meta.main) {
  forgetAws(process.env);
  let options: DemoOptions;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${describeFault(error)}\n\n${HELP}`);
    process.exit(2);
  }
  if (options.help) process.stdout.write(HELP);
  else process.exit(await demonstrate(options, createScreen(process.stdout, process.env)));
}
