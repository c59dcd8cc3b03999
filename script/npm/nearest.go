package npm

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// popular are names that typing errors are compared with.
const popular = `@kubernetes/client-node @octokit/rest @slack/web-api ajv archiver async aws-sdk axios
bluebird body-parser chalk cheerio chokidar colors commander concurrently cors cross-env csv-parse date-fns dayjs
debug deepmerge diff dotenv ejs esbuild eslint express fast-glob form-data fs-extra glob got graphql handlebars
ini inquirer ioredis jest joi js-yaml json5 jsonpath jsonwebtoken kleur lodash lru-cache luxon marked merge mime
minimatch minimist mkdirp mocha moment moment-timezone mongodb mongoose ms mustache mysql nanoid node-fetch
nodemailer octokit ora p-limit p-retry path-to-regexp pg picocolors prettier prop-types qs ramda react redis
request request-promise rimraf rxjs semver shelljs slugify stripe superagent tar through2 toml tslib typescript
uglify-js underscore undici url-parse uuid validator validate-npm-package-name webpack winston ws xml2js yaml
yargs yup zod`

// nearestName returns the known name that a typing error may have meant, ""
// for none.
func nearestName(name string, others []string) string {
	best, bestDistance := "", 3
	if len(name) < 5 {
		bestDistance = 2
	}
	for _, known := range append(slices.Clone(others), strings.Fields(popular)...) {
		if known == name {
			continue
		}
		if d := distance(name, known, bestDistance); d < bestDistance {
			best, bestDistance = known, d
		}
	}
	return best
}

// distance counts the letters to add, drop, change or swap to get from a to
// b; it may stop counting at limit.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev2, prev, row := rows[(i+2)%3], rows[i%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := prev[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, prev[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}

// sortedKeys returns a map's keys in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
