"""Computing again what operations computed: digests, builds, substitution, readiness, guards; on recorded inputs."""
