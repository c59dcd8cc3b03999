package gateway

import (
	"maps"
	"slices"
	"strings"
)

// actions are what forges say happened to something, as scripts get to see it
// behind the colon of an event's type. There are more: what is not listed is
// sent on all the same.
var actions = map[string]string{
	"check_run":                   "created completed rerequested requested_action",
	"check_suite":                 "requested rerequested completed",
	"commit_comment":              "created",
	"deployment":                  "created",
	"deployment_status":           "created",
	"issue_comment":               "created edited deleted",
	"pull_request":                "opened closed reopened edited synchronize synchronized labeled unlabeled assigned unassigned locked unlocked milestoned demilestoned ready_for_review converted_to_draft review_requested review_request_removed auto_merge_enabled auto_merge_disabled enqueued dequeued label_updated label_cleared",
	"pull_request_review":         "submitted edited dismissed",
	"pull_request_review_comment": "created edited deleted",
	"release":                     "published unpublished created edited deleted prereleased released create update delete updated",
	"merge_request":               "open close reopen update merge approved unapproved approval unapproval",
	"pipeline":                    "created waiting_for_resource preparing pending running success failed canceled skipped manual scheduled",
	"note":                        "create update",
}

// EventTypes lists the types of the events that the gateways send, sorted.
// Those that end with ":" are followed by a word of the sender's, such as an
// action; the usual ones of these are listed besides.
func EventTypes() []string {
	types := map[string]bool{
		"brig:run": true, "simpleevent": true, "cloudevent": true, "image_push": true, "webhook": true, "slack:": true,
	}
	for name := range githubEvents {
		types[name], types[name+":"] = true, true
	}
	for _, names := range [][]string{slices.Collect(maps.Keys(gitlabEvents)), slices.Collect(maps.Keys(giteaEvents))} {
		for _, name := range names {
			types[name] = true
			if !strings.HasSuffix(name, "push") {
				types[name+":"] = true
			}
		}
	}
	for name, e := range bitbucketEvents {
		types[name] = true
		for _, also := range e.also {
			types[also] = true
		}
	}
	for name, list := range actions {
		for _, action := range strings.Fields(list) {
			types[name+":"+action] = true
		}
	}
	return slices.Sorted(maps.Keys(types))
}
