package io.sparkgguf.cluster;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.spark.launcher.JavaModuleOptions;

/**
 * What a Spark distribution is to its daemons, made of links: a folder whose {@code jars} are those that the cluster
 * provides. Only the folder is made here; the jars are where Maven put them.
 */
record SparkHome(Path folder) {
    /** Libraries of the job that Spark has in its distribution, too. */
    private static final String SPARKS_TOO = "(slf4j-api|gson|commons-codec|commons-compress)-.*";

    /** Links every jar of {@code classpath} into {@code folder}, which is made. */
    static SparkHome link(Path folder, List<Path> classpath) throws IOException {
        Path jars = Files.createDirectories(folder.resolve("jars"));
        for (Path jar : classpath) {
            Files.createSymbolicLink(jars.resolve(jar.getFileName()), jar);
        }
        Files.createDirectories(folder.resolve("conf"));
        return new SparkHome(folder);
    }

    /** Writes what daemons find set, readable by the owner only. */
    void configure(Map<String, String> settings) throws IOException {
        Path file = folder.resolve("conf").resolve("spark-defaults.conf");
        Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.write(
                file,
                settings.entrySet().stream()
                        .map(setting -> setting.getKey() + " " + setting.getValue())
                        .toList());
    }

    /** Takes the links away: whoever clears the folder around must not follow them. */
    void unlink() throws IOException {
        try (Stream<Path> jars = Files.list(folder.resolve("jars"))) {
            for (Path jar : jars.toList()) {
                Files.delete(jar);
            }
        }
    }

    /** What a cluster provides: the libraries that Spark needs, without those that come with the job. */
    static List<Path> provided() throws IOException {
        Set<Path> ours = new HashSet<>(classpath("job"));
        ours.removeIf(jar -> jar.getFileName().toString().matches(SPARKS_TOO));
        List<Path> jars = new ArrayList<>(classpath("spark"));
        jars.removeAll(ours);
        return jars;
    }

    private static List<Path> classpath(String whose) throws IOException {
        Path list = Path.of("target", "classpath." + whose);
        if (!Files.exists(list)) {
            throw new IOException("Cannot start a cluster: no " + list + "; run 'mvn -DskipTests package' first");
        }
        return Arrays.stream(Files.readString(list).strip().split(":"))
                .map(Path::of)
                .toList();
    }

    /** The command line of a daemon or tool of Spark. */
    List<String> java(String heap, String mainClass, String... arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-Xmx" + heap, "-XX:+UseSerialGC"));
        command.addAll(List.of(JavaModuleOptions.defaultModuleOptionArray()));
        command.addAll(List.of("-cp", folder.resolve("conf") + ":" + folder.resolve("jars") + "/*", mainClass));
        command.addAll(List.of(arguments));
        return command;
    }

    /** What a daemon's processes find in their environment: loopback only, and where Spark is. */
    void describeTo(Map<String, String> environment) {
        environment.put("SPARK_HOME", folder.toString());
        environment.put("SPARK_SCALA_VERSION", "2.13");
        environment.put("SPARK_LOCAL_IP", "127.0.0.1");
        environment.remove("SPARK_CONF_DIR");
    }
}
