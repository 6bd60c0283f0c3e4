package main

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/util/retry"
)

type step struct {
	name string
	run  func(context.Context, *kubernetes.Clientset, string) error
}

var steps = []step{
	{"workload", workload},
	{"service", service},
	{"conflict", conflict},
	{"apply", apply},
	{"pages", pages},
	{"pod", pod},
	{"reviews", reviews},
	{"collection", collection},
}

// callTyped walks through what typed clients do; it stops at the first step that does not end as Kubernetes lets it.
func callTyped(ctx context.Context, config *rest.Config, arguments []string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	for _, each := range steps {
		if err := each.run(ctx, client, arguments[0]); err != nil {
			return fmt.Errorf("%s: %w", each.name, err)
		}
		fmt.Println(each.name)
	}
	return mapped(ctx, config, client, arguments[0])
}

func template() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
		Spec: corev1.PodSpec{
			SchedulerName: "nobody",
			Containers: []corev1.Container{{
				Name: "c", Image: "example.com/one",
				Env:            []corev1.EnvVar{{Name: "A", Value: "1"}},
				ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("http")}}},
				Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 80}},
			}},
		},
	}
}

func workload(ctx context.Context, client *kubernetes.Clientset, namespace string) error {
	replicas := int32(2)
	deployments := client.AppsV1().Deployments(namespace)
	made, err := deployments.Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Template: template(),
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if *made.Spec.RevisionHistoryLimit != 10 || made.Spec.Strategy.RollingUpdate.MaxSurge.StrVal != "25%" {
		return fmt.Errorf("not defaulted: %v", made.Spec)
	}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error { // a controller writes too
		scale, err := deployments.GetScale(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return err
		}
		scale.Spec.Replicas = 0
		_, err = deployments.UpdateScale(ctx, "web", scale, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	patch := []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"example.com/two"}]}}}}`)
	patched, err := deployments.Patch(ctx, "web", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	if *patched.Spec.Replicas != 0 || patched.Spec.Template.Spec.Containers[0].Env[0].Value != "1" {
		return fmt.Errorf("not patched: %v", patched.Spec)
	}
	return nil
}

func service(ctx context.Context, client *kubernetes.Clientset, namespace string) error {
	services := client.CoreV1().Services(namespace)
	made, err := services.Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if made.Spec.ClusterIP == "" || made.Spec.Ports[0].NodePort == 0 || *made.Spec.InternalTrafficPolicy != corev1.ServiceInternalTrafficPolicyCluster {
		return fmt.Errorf("not defaulted: %v", made.Spec)
	}
	made.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
	told, err := services.UpdateStatus(ctx, made, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	if *told.Status.LoadBalancer.Ingress[0].IPMode != corev1.LoadBalancerIPModeVIP {
		return fmt.Errorf("no mode: %v", told.Status)
	}
	return nil
}

func conflict(ctx context.Context, client *kubernetes.Clientset, namespace string) error {
	maps := client.CoreV1().ConfigMaps(namespace)
	first, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}, BinaryData: map[string][]byte{"b": {0, 255}}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	second := first.DeepCopy()
	first.Data = map[string]string{"k": "1"}
	if _, err = maps.Update(ctx, first, metav1.UpdateOptions{}); err != nil {
		return err
	}
	second.Data = map[string]string{"k": "2"}
	if _, err = maps.Update(ctx, second, metav1.UpdateOptions{}); !errors.IsConflict(err) {
		return fmt.Errorf("no conflict: %v", err)
	}
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		latest, err := maps.Get(ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if string(latest.BinaryData["b"]) != "\x00\xff" {
			return fmt.Errorf("bytes changed: %v", latest.BinaryData)
		}
		latest.Data["k"] = "3"
		_, err = maps.Update(ctx, latest, metav1.UpdateOptions{})
		return err
	})
}

func apply(ctx context.Context, client *kubernetes.Clientset, namespace string) error {
	maps := client.CoreV1().ConfigMaps(namespace)
	wanted := applycorev1.ConfigMap("applied", namespace).WithData(map[string]string{"k": "1"})
	made, err := maps.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "one"})
	if err != nil {
		return err
	}
	extracted, err := applycorev1.ExtractConfigMap(made, "one")
	if err != nil {
		return err
	}
	if extracted.Data["k"] != "1" {
		return fmt.Errorf("does not own what it applied: %v", extracted)
	}
	other := applycorev1.ConfigMap("applied", namespace).WithData(map[string]string{"k": "2"})
	if _, err = maps.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "two"}); !errors.IsConflict(err) {
		return fmt.Errorf("no conflict: %v", err)
	}
	_, err = maps.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "two", Force: true})
	return err
}

func pages(ctx context.Context, client *kubernetes.Clientset, namespace string) error {
	maps := client.CoreV1().ConfigMaps(namespace)
	for number := range 25 {
		labels := map[string]string{"page": "yes"}
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: fmt.Sprintf("page-%02d-", number), Labels: labels}}
		if _, err := maps.Create(ctx, made, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	lister := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return maps.List(ctx, options)
	})
	lister.PageSize = 10
	found := 0
	err := lister.EachListItem(ctx, metav1.ListOptions{LabelSelector: "page=yes"}, func(runtime.Object) error {
		found++
		return nil
	})
	if err == nil && found != 25 {
		return fmt.Errorf("25 made, %d listed", found)
	}
	return err
}

func pod(ctx context.Context, client *kubernetes.Clientset, namespace string) error {
	pods := client.CoreV1().Pods(namespace)
	made, err := pods.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: template().Spec}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: made.UID}, Target: corev1.ObjectReference{Kind: "Node", Name: "nowhere"}}
	if err = pods.Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
		return err
	}
	made, err = pods.Get(ctx, "p", metav1.GetOptions{})
	if err != nil {
		return err
	}
	made.Status.Phase = corev1.PodRunning
	made.Status.Conditions = append(made.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
	if _, err = pods.UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if err = pods.EvictV1(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: namespace}}); err != nil {
		return err
	}
	zero := int64(0)
	err = pods.Delete(ctx, "p", metav1.DeleteOptions{GracePeriodSeconds: &zero, Preconditions: metav1.NewUIDPreconditions(string(made.UID))})
	if errors.IsNotFound(err) {
		return nil
	}
	return err
}

func reviews(ctx context.Context, client *kubernetes.Clientset, namespace string) error {
	seconds := int64(3600)
	token, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, "default",
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token.Status.Token}}
	if review, err = client.AuthenticationV1().TokenReviews().Create(ctx, review, metav1.CreateOptions{}); err != nil {
		return err
	}
	user := "system:serviceaccount:" + namespace + ":default"
	if !review.Status.Authenticated || review.Status.User.Username != user {
		return fmt.Errorf("token of nobody: %v", review.Status)
	}
	attributes := &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "get", Resource: "pods"}
	access := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: attributes}}
	if access, err = client.AuthorizationV1().SubjectAccessReviews().Create(ctx, access, metav1.CreateOptions{}); err != nil {
		return err
	}
	if access.Status.Allowed {
		return fmt.Errorf("allowed: %v", access.Status)
	}
	return nil
}

func collection(ctx context.Context, client *kubernetes.Clientset, namespace string) error {
	maps := client.CoreV1().ConfigMaps(namespace)
	if err := maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "page"}); err != nil {
		return err
	}
	left, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "page"})
	if err == nil && len(left.Items) != 0 {
		return fmt.Errorf("%d left", len(left.Items))
	}
	return err
}

// mapped finds a resource through discovery, as controller-runtime does, and lists its metadata alone.
func mapped(ctx context.Context, config *rest.Config, client *kubernetes.Clientset, namespace string) error {
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	mapping, err := mapper.RESTMapping(appsv1.SchemeGroupVersion.WithKind("Deployment").GroupKind(), "v1")
	if err != nil {
		return err
	}
	metadataOnly, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	found, err := metadataOnly.Resource(mapping.Resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if len(found.Items) != 1 || found.Items[0].Name != "web" {
		return fmt.Errorf("metadata of %v", found.Items)
	}
	fmt.Println("mapped")
	return nil
}
