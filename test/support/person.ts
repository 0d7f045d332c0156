// A person at a browser, as far as a sign-in takes one: cookies, redirects, and forms that are filled in and sent.
export interface Page {
  status: number;
  headers: Headers;
  text: string;
  url: string;
}

export interface PersonOptions {
  /** Leaves instead of signing in. */
  leaves?: boolean;
  /** What the person's browser opens instead of where the company sends it. */
  detour?(url: URL): URL;
}

const HIDDEN = /<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"/g;
const MOST_STEPS = 20;

/** Opens a URL of a company, signs in as `login`, consents to everything. @returns the page that it ends on */
export async function browse(start: string, login: string, options: PersonOptions = {}): Promise<Page> {
  const cookies = new Map<string, string>();
  const { origin } = new URL(start);
  let [url, form]: [URL, URLSearchParams | undefined] = [new URL(start), undefined];
  for (let step = 0; step < MOST_STEPS; step += 1) {
    const away = url.origin !== origin;
    if (away) url = options.detour?.(url) ?? url;
    const response = await fetch(url, {
      ...{ redirect: 'manual', method: form ? 'POST' : 'GET' },
      headers: away ? {} : { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form ? { body: form } : {}),
    });
    const text = await response.text();
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === '') cookies.delete(name);
      else cookies.set(name, value);
    }
    const location = response.headers.get('location');
    const action = /<form[^>]*action="([^"]+)"/.exec(text)?.[1];
    const leave = options.leaves ? /href="([^"]+\/abort)"/.exec(text)?.[1] : undefined;
    form = undefined;
    if (location || leave) url = new URL(location ?? (leave as string), url);
    else if (action && !away) {
      form = new URLSearchParams();
      for (const [, name = '', value = ''] of text.matchAll(HIDDEN)) form.set(name, value);
      if (text.includes('name="login"')) form.set('login', login);
      if (text.includes('name="password"')) form.set('password', 'any');
      url = new URL(action, url);
    } else return { status: response.status, headers: response.headers, text, url: url.href };
  }
  throw new Error(`${start} leads on and on`);
}
