package io.sparkgguf.job;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;

/** This program's name and version, for reports, metadata and {@code --version}. */
public final class Version {
    public static final String TOOL = "spark-gguf";

    private static final String NUMBER = load();

    private Version() {}

    /** For example {@code 0.1.0}. */
    public static String number() {
        return NUMBER;
    }

    private static String load() {
        Properties properties = new Properties();
        try (InputStream in = Version.class.getResourceAsStream("/io/sparkgguf/version.properties")) {
            properties.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return properties.getProperty("version");
    }
}
