package io.sparkgguf.job.stage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.WholeFile;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Our figures where people look for them: in the sinks of Spark's metrics system, in its UI's pages and its REST API. */
@Timeout(120)
class MetricsTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    @Test
    void figuresReachTheJsonServletTheCsvSinkAndTheRestApi() throws Exception {
        Path csv = Files.createDirectory(folder.resolve("csv"));
        Map<String, String> settings = Map.of(
                "spark.master", "local[2]",
                "spark.ui.enabled", "true",
                "spark.ui.port", "0",
                "spark.metrics.namespace", "test",
                "spark.metrics.conf.*.sink.csv.class", "org.apache.spark.metrics.sink.CsvSink",
                "spark.metrics.conf.*.sink.csv.period", "600",
                "spark.metrics.conf.*.sink.csv.directory", csv.toString());
        settings.forEach(System::setProperty);
        try (Session session = new Session("metrics")) {
            Map<String, Object> before = figures(session);
            run(session);
            Map<String, Object> after = figures(session);
            assertEquals(20L, difference(before, after, "driver.run.items"));
            assertEquals(20L, difference(before, after, "driver.items"));
            assertEquals(3L, difference(before, after, "driver.run.itemsRecalled"));
            assertEquals(2L, difference(before, after, "driver.run.stages"));
            assertEquals(19 * 1000L, difference(before, after, "driver.run.tokens"));
            assertEquals(1L, difference(before, after, "driver.run.bytes"));
            assertEquals(0L, difference(before, after, "driver.run.tasksRetried"));
            assertEquals(0L, difference(before, after, "driver.run.executorsLost"));
            assertEquals(16 * 5000L, difference(before, after, "driver.bytesWritten"));
            assertEquals(16 * 3000L, difference(before, after, "driver.bytesRead"));
            assertEquals("last", after.get("driver.stage.name"));
            assertEquals(1, after.get("driver.stage.items"));
            assertEquals(1, after.get("driver.stage.itemsDone"));
            assertEquals(1.0, after.get("driver.stage.progress"));
            assertEquals(0.0, after.get("driver.stage.secondsLeft"));
            assertTrue((double) after.get("driver.stage.bytesPerSecond") > 0, after.toString());
            assertEquals(0.0, after.get("driver.stage.tokensPerSecond"));
            assertEquals(0, ((Number) after.get("driver.memoryHeld")).intValue());
            restApiNamesStagesAndTheirTraffic(session);
        } finally {
            settings.keySet().forEach(System::clearProperty);
        }
        Path items;
        try (Stream<Path> files = Files.list(csv)) {
            Map<String, Path> named =
                    files.collect(Collectors.toMap(file -> file.getFileName().toString(), file -> file));
            items = named.get("test.driver.plugin.io.sparkgguf.job.stage.MetricsPlugin.run.items.csv");
            assertNotNull(items, named.keySet().toString());
        }
        List<String> lines = Files.readAllLines(items);
        assertEquals("t,value", lines.get(0));
        assertTrue(lines.get(lines.size() - 1).matches("\\d+,\\d+"), lines.toString());
    }

    /** 16 items that write and read, three that an earlier run made, and a stage of one. */
    private void run(Session session) throws IOException {
        String files = folder.toString();
        List<Integer> items = IntStream.range(0, 22).boxed().toList();
        Recall<Integer> recall = new Recall<>() {
            @Override
            public Integer known(int item) {
                return item < 3 ? 0 : null;
            }

            @Override
            public void learned(int item, Integer result) {}
        };
        Stage.of("blk.2: traffic", items, item -> {
                    if (item >= 6) {
                        LocalStorage storage = new LocalStorage();
                        String file = files + "/" + item;
                        WholeFile.write(storage, file, out -> out.write(new byte[5000], 0, 5000));
                        try (RangeReader reader = storage.open(file)) {
                            reader.readFully(1000, new byte[3000], 0, 3000);
                        }
                    }
                    return item;
                })
                .describe("blk.2: traffic of attn_q attn_k")
                .size(item -> 1000, Progress.Unit.TOKENS)
                .recall(recall)
                .run(session, Progress.SILENT);
        Stage.of("last", List.of(1), item -> item).run(session, Progress.SILENT);
    }

    private static JsonNode get(Session session, String path) throws IOException {
        String page = session.context().sc().uiWebUrl().get();
        try (InputStream in = URI.create(page.replaceFirst("//[^:/]+:", "//127.0.0.1:") + path)
                .toURL()
                .openStream()) {
            return JSON.readTree(in);
        }
    }

    /** Our gauges by name, as the JSON servlet shows them. */
    private static Map<String, Object> figures(Session session) throws IOException {
        Map<String, Object> figures = new TreeMap<>();
        String ours = "plugin." + MetricsPlugin.class.getName() + ".";
        JsonNode gauges = get(session, "/metrics/json/").get("gauges");
        for (Map.Entry<String, JsonNode> gauge : gauges.properties()) {
            if (gauge.getKey().contains(ours)) {
                JsonNode value = gauge.getValue().get("value");
                figures.put(
                        gauge.getKey().replaceFirst("^test\\.", "").replace(ours, ""),
                        JSON.convertValue(value, Object.class));
            }
        }
        return figures;
    }

    private static long difference(Map<String, Object> before, Map<String, Object> after, String name) {
        assertTrue(after.containsKey(name), name + " in " + after);
        return ((Number) after.get(name)).longValue() - ((Number) before.get(name)).longValue();
    }

    private static void restApiNamesStagesAndTheirTraffic(Session session) throws Exception {
        session.context().sc().listenerBus().waitUntilEmpty();
        String application = session.context().sc().applicationId();
        JsonNode jobs = get(session, "/api/v1/applications/" + application + "/jobs");
        Set<String> names = jobs.findValuesAsText("description").stream().collect(Collectors.toSet());
        assertTrue(names.contains("blk.2: traffic of attn_q attn_k"), names.toString());
        JsonNode stages = get(session, "/api/v1/applications/" + application + "/stages");
        long[] traffic = new long[2];
        for (JsonNode stage : stages) {
            if (stage.get("name").asText().equals("blk.2: traffic of attn_q attn_k")) {
                traffic[0] += stage.get("inputBytes").asLong();
                traffic[1] += stage.get("outputBytes").asLong();
            }
        }
        assertEquals(16 * 3000L, traffic[0]);
        assertEquals(16 * 5000L, traffic[1]);
    }
}
