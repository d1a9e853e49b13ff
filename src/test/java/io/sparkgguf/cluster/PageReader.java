package io.sparkgguf.cluster;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerJobEnd;

/** Spark starts it with an application ({@code spark.extraListeners}); it reads the pages of the UI while jobs run. */
public final class PageReader extends SparkListener {
    /** What the pages showed last, by path. */
    static final Map<String, String> PAGES = new ConcurrentHashMap<>();

    /** What was done besides, at the end of each job. */
    static volatile Runnable also = () -> {};

    @Override
    public void onJobEnd(SparkListenerJobEnd end) {
        SparkContext context = SparkContext.getOrCreate();
        String api = "/api/v1/applications/" + context.applicationId();
        for (String path : new String[] {
            "/environment/",
            "/jobs/",
            "/stages/",
            "/executors/",
            api + "/environment",
            api + "/jobs",
            api + "/stages",
            api + "/allexecutors"
        }) {
            PAGES.put(
                    path.replace(api, "api"), page(URI.create(context.uiWebUrl().get() + path)));
        }
        also.run();
    }

    private static String page(URI uri) {
        try {
            HttpResponse<String> response = HttpClient.newHttpClient()
                    .send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
            return response.statusCode() == 200 ? response.body() : "";
        } catch (IOException e) {
            return ""; // the test expects text and says which page had none
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "";
        }
    }
}
