/* Compiles the rules on stdin with the real libseccomp and writes the BPF program to stdout. Names
 * it does not know are written to stderr, one a line, and left out. */
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	char word[64], name[64];
	uint32_t action = 0;
	scmp_filter_ctx ctx = NULL;

	while (scanf("%63s", word) == 1) {
		if (!strcmp(word, "default")) {
			if (scanf("%" SCNu32, &action) != 1 || !(ctx = seccomp_init(action)))
				return 1;
			seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		} else if (!strcmp(word, "arch")) {
			if (scanf("%63s", name) != 1)
				return 2;
			int rc = seccomp_arch_add(ctx, seccomp_arch_resolve_name(name));
			if (rc != 0 && rc != -17 /* EEXIST */)
				return 3;
		} else if (!strcmp(word, "noarch")) {
			if (scanf("%63s", name) != 1 || seccomp_arch_remove(ctx, seccomp_arch_resolve_name(name)) != 0)
				return 4;
		} else if (!strcmp(word, "rule")) {
			struct scmp_arg_cmp args[6];
			unsigned count, op, i;

			if (scanf("%" SCNu32 " %63s %u", &action, name, &count) != 3 || count > 6)
				return 5;
			for (i = 0; i < count; i++) {
				if (scanf("%u %u %" SCNu64 " %" SCNu64, &args[i].arg, &op, &args[i].datum_a, &args[i].datum_b) != 4)
					return 6;
				args[i].op = op;
			}
			int call = seccomp_syscall_resolve_name(name);
			if (call == __NR_SCMP_ERROR) {
				fprintf(stderr, "%s\n", name);
				continue;
			}
			int rc = seccomp_rule_add_array(ctx, action, call, count, args);
			if (rc != 0 && rc != -17) {
				fprintf(stderr, "! %s: %d\n", name, rc);
				return 7;
			}
		} else {
			return 8;
		}
	}
	return seccomp_export_bpf(ctx, STDOUT_FILENO) == 0 ? 0 : 9;
}
