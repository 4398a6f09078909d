// Signing in: by the link that the server printed, which works once, or by the token of its file.
import { useEffect, useState } from 'preact/hooks';
import { HttpServer } from './http-server.js';
import { Logo } from './logo.js';

export function SignIn({ onSignedIn }: { onSignedIn(server: HttpServer): void }) {
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const signIn = (by: { token: string } | { code: string }, failed: string): void => {
    setBusy(true);
    HttpServer.signIn(by)
      .then(onSignedIn, () => setProblem(failed))
      .finally(() => setBusy(false));
  };
  useEffect(() => {
    const code = location.hash.slice(1);
    if (!code) return;
    // A code that was used is of no use, and none of anybody's business.
    history.replaceState(null, '', location.pathname);
    signIn({ code }, 'That link was used before, or is of an earlier start. Sign in with the token.');
  }, []);
  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          signIn({ token: token.trim() }, 'That is not the token of this server.');
        }}
      >
        <Logo />
        <h1>Afterimage</h1>
        <p>
          Local sight for agents, and for you. The server said at its start where its token is; by default in{' '}
          <code>~/.config/afterimage/token</code>.
        </p>
        <label>
          Token
          <input
            type="password"
            autocomplete="current-password"
            value={token}
            required
            aria-describedby={problem ? 'sign-in-problem' : undefined}
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
        </label>
        {problem && (
          <p class="problem" id="sign-in-problem" role="alert">
            {problem}
          </p>
        )}
        <button class="primary" disabled={busy}>
          Sign in
        </button>
      </form>
    </main>
  );
}
