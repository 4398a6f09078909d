// Runs in the host's page: puts an app into its frame and stands between it and the server.
import { AppBridge, PostMessageTransport } from '@modelcontextprotocol/ext-apps/app-bridge';

type Result = never;

interface Shown {
  html: string;
  args: Record<string, unknown>;
  result: Result;
}

declare global {
  function server(method: string, params: unknown): Promise<Result>;
  var show: (shown: Shown) => Promise<void>;
  var dress: (theme: 'light' | 'dark') => void;
}

globalThis.show = async ({ html, args, result }) => {
  const frame = document.querySelector('iframe')!;
  const bridge = new AppBridge(
    null,
    { name: 'Host of the tests', version: '1' },
    { serverTools: {}, serverResources: {} },
    { hostContext: { theme: 'light', displayMode: 'inline' } },
  );
  bridge.oncalltool = (params) => server('tools/call', params);
  bridge.onreadresource = (params) => server('resources/read', params);
  bridge.onsizechange = ({ height }) => {
    if (height) frame.height = String(height);
  };
  const begun = new Promise<void>((resolve) => {
    bridge.oninitialized = () => resolve();
  });
  globalThis.dress = (theme) => bridge.setHostContext({ theme, displayMode: 'inline' });
  await bridge.connect(new PostMessageTransport(frame.contentWindow!, frame.contentWindow!));
  frame.srcdoc = html;
  await begun;
  await bridge.sendToolInput({ arguments: args });
  await bridge.sendToolResult(result);
};
