package io.sparkgguf.cluster;

import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;

/** The files of settings in {@code conf/}. */
final class Templates {
    private Templates() {}

    /** All settings of a template, those that are commented out too. */
    static Map<String, String> settings(Path template) throws IOException {
        Properties properties = new Properties();
        properties.load(new StringReader(Files.readString(template).replaceAll("(?m)^#(?=spark\\.)", "")));
        Map<String, String> settings = new TreeMap<>();
        properties.forEach(
                (key, value) -> settings.put(key.toString(), value.toString().strip()));
        return settings;
    }
}
