// launch.sh for Windows, where the installer of Node.js puts it on everybody's PATH.
// Arguments: MODEL ALLOW_URLS FOLDER... as the client fills them in; one it leaves as ${...} or empty counts as unset.
const [model, allowUrls, ...folders] = process.argv.slice(2);
const isSet = (value) => value !== undefined && value !== '' && !value.includes('${');

process.argv.splice(2, Infinity, 'mcp', '--deadline-ms', '50000', '--preload');
for (const folder of folders.filter(isSet)) process.argv.push('--allow', folder);
if (isSet(model)) process.argv.push('--model', model);
if (allowUrls === 'true') process.argv.push('--allow-urls');
await import('./dist/src/main.js');
