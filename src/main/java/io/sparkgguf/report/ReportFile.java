package io.sparkgguf.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** The JSON form of reports. */
public final class ReportFile {
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(SerializationFeature.INDENT_OUTPUT)
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();

    static {
        JSON.getFactory()
                .setStreamReadConstraints(
                        StreamReadConstraints.builder().maxNestingDepth(32).build());
    }

    private ReportFile() {}

    /** Any record as indented JSON with a line break at the end. */
    public static byte[] json(Object value) {
        try {
            return (JSON.writeValueAsString(value) + "\n").getBytes(StandardCharsets.UTF_8);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("Cannot write the report: " + e.getOriginalMessage(), e);
        }
    }

    /**
     * Reads a report.
     *
     * @param file its name, for messages
     */
    public static Report parse(byte[] json, String file) {
        try {
            return JSON.readValue(json, Report.class);
        } catch (JsonProcessingException e) {
            throw new InvalidInputException(
                    "Cannot read report " + file + ": "
                            + e.getOriginalMessage().lines().findFirst().orElse("not JSON"),
                    e);
        } catch (IOException e) {
            throw new IllegalStateException("Cannot read report " + file + " from memory", e);
        }
    }
}
