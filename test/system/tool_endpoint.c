/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Prints the host of each service: tool_endpoint REGION [fips] [dualstack]; "-" for none. */
#include <stdio.h>
#include <string.h>

#include "aws/endpoint.h"

int
main(int argc, char **argv)
{
	struct aws_wishes wishes = { .region = NULL };
	struct aws_endpoint endpoint;
	struct aws_site site;
	char reason[IMDS_REASON_MAX];
	enum aws_service service;
	int i;

	wishes.region = argc > 1 ? argv[1] : NULL;
	for (i = 2; i < argc; i++) {
		wishes.fips = wishes.fips || strcmp(argv[i], "fips") == 0;
		wishes.dualstack = wishes.dualstack || strcmp(argv[i], "dualstack") == 0;
	}
	if (aws_site_find(&site, &wishes, NULL, reason) != 0) {
		fprintf(stderr, "%s\n", reason);
		return 1;
	}
	printf("partition %s\n", site.partition);
	for (service = 0; service < AWS_SERVICES_END; service++) {
		if (aws_endpoint_find(&endpoint, &site, service, NULL, reason) != 0)
			printf("%s -\n", aws_service_name(service));
		else
			printf("%s %s://%s%s\n", aws_service_name(service),
			    endpoint.http ? "http" : "https", endpoint.host, endpoint.path);
	}
	return 0;
}
