/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Variables of the environment that have a say in calls of AWS. */
#ifndef AWS_ENVIRONMENT_H
#define AWS_ENVIRONMENT_H

/* Its value; NULL: it is not set, or empty. */
const char *aws_given(const char *name);

/*
 * Calls said for each variable that is set, with its value, or with "(set)"
 * where that is a secret.
 */
void aws_environment_list(void (*said)(const char *name, const char *value, void *arg), void *arg);

/* One log line for each: once, when the agent starts. */
void aws_environment_log(void);

#endif
