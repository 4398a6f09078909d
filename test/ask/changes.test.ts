// A comparison begins with what was measured, and no model's words deny it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measuredChanges, withFacts } from '../../src/ask/changes.js';

const size = { width: 448, height: 256 };
const place = { changedPixels: 9 };

test('sizes, share and places are said as they were measured', () => {
  const measured = { before: size, after: size, changedShare: 0.0312, regions: [place] };
  assert.equal(measuredChanges(measured), '3.12 % of the pixels changed, in one place.');
  const resized = {
    ...measured,
    after: { width: 640, height: 400 },
    changedShare: 0.97,
    regions: [place, place],
  };
  assert.equal(
    measuredChanges(resized),
    'The size changed from 448×256 to 640×400. 97 % of the pixels changed, in 2 places.',
  );
  assert.match(measuredChanges({ ...measured, changedShare: 1e-6 }), /^Less than 0.01 %/);
  const texts = [
    { old: 'Save', new: 'Saved' },
    { old: '', new: 'Done' },
    { old: 'Wait', new: '' },
  ];
  assert.deepEqual(measuredChanges(measured, texts).split('\n').slice(1), [
    'The text "Save" became "Saved".',
    'The text "Done" is new.',
    'The text "Wait" is gone.',
  ]);
  assert.match(measuredChanges(measured, Array(25).fill(texts[0])), /\n5 more texts changed\.$/);
});

for (const denial of [
  'There are no differences.',
  'There is no visible difference between the two images.',
  'No differences.',
  'No significant changes were found.',
  'The images are identical.',
  'Both screenshots appear to be the same.',
  'The two images look exactly the same!',
  'I see no differences between them.',
  'Nothing has changed.',
]) {
  test(`"${denial}" is dropped, what else is said stays`, () => {
    assert.equal(withFacts('Facts.', denial), 'Facts.');
    assert.equal(
      withFacts('Facts.', `The button is red. ${denial}\nThe title moved.`),
      'Facts.\nThe button is red.\nThe title moved.',
    );
  });
}

for (const fair of [
  'There are no differences in the sidebar.',
  'No change of the title, but the button is red.',
  'The images are identical except for the clock.',
  'The button "No changes" became "Save".',
  'Version 1.2.3 became 1.2.4.\n\nThe menu is open.',
]) {
  test(`"${fair}" stays`, () => assert.equal(withFacts('Facts.', fair), `Facts.\n${fair}`));
}
