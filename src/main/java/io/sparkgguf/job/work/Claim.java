package io.sparkgguf.job.work;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;

/**
 * What a lease's file says: who writes a target, and how long others take that for true.
 *
 * @param owner the run
 * @param since when it began
 * @param renewed when it last said that it goes on
 * @param until when that is no longer believed
 */
record Claim(Owner owner, Instant since, Instant renewed, Instant until) {
    private static final ObjectMapper JSON = new ObjectMapper();

    byte[] json() throws IOException {
        return (JSON.createObjectNode()
                                .put("run", owner.run())
                                .put("host", owner.host())
                                .put("process", owner.process())
                                .put("processStarted", owner.started())
                                .put("since", since.toString())
                                .put("renewed", renewed.toString())
                                .put("validUntil", until.toString())
                                .toPrettyString()
                        + "\n")
                .getBytes(java.nio.charset.StandardCharsets.UTF_8);
    }

    /** What {@link #json} wrote; empty for anything else. */
    static Optional<Claim> parse(byte[] json) {
        try {
            JsonNode node = JSON.readTree(json);
            if (!node.hasNonNull("run") || !node.path("process").canConvertToLong()) {
                return Optional.empty();
            }
            return Optional.of(new Claim(
                    new Owner(
                            node.path("run").asText(),
                            node.path("host").asText(),
                            node.path("process").asLong(),
                            node.path("processStarted").asLong()),
                    Instant.parse(node.path("since").asText()),
                    Instant.parse(node.path("renewed").asText()),
                    Instant.parse(node.path("validUntil").asText())));
        } catch (IOException | DateTimeException e) {
            return Optional.empty();
        }
    }

    /** Whether it is to be believed: not when its time is over, or its process on this machine is. */
    boolean holds(Instant now) {
        return now.isBefore(until) && !owner.isDeadHere();
    }

    /** For people. */
    String describe() {
        return "run %s of host %s, process %d, since %s"
                .formatted(owner.run(), owner.host(), owner.process(), since.truncatedTo(ChronoUnit.SECONDS));
    }
}
