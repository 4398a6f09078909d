// The engine at work, in four parts.
import type { ComponentChildren } from 'preact';
import type { Live } from '../../../src/http/page/live.js';
import type { HttpServer } from '../http-server.js';
import type { Added } from '../state.js';
import { Models } from './models.js';
import { Prefixes } from './prefixes.js';
import { Queue } from './queue.js';
import { Speed } from './speed.js';
import { Tiers } from './tiers.js';

export interface EngineProps {
  server: HttpServer;
  live: Live | undefined;
  model: string | undefined;
  pictures: readonly Added[];
  onModel(name: string): void;
  onRefused(error: Error): void;
}

export function Engine({ live, ...props }: EngineProps) {
  return (
    <section class="engine" aria-label="Engine">
      <Part title="Now">
        <Speed live={live} rows="decodeRows" ms="decodeMs" title="tokens a second" />
        <Queue live={live} />
      </Part>
      <Part title="Cache">
        <Tiers live={live} />
      </Part>
      <Part title="Prefix tree">
        <Prefixes live={live} {...props} />
      </Part>
      <Part title="Models">
        <Models live={live} {...props} />
      </Part>
    </section>
  );
}

function Part({ title, children }: { title: string; children: ComponentChildren }) {
  const id = `part-${title.toLowerCase().replace(' ', '-')}`;
  return (
    <section class="card part" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}
